use crate::Value;
use crate::json::{error, success};
use crate::tests::{labels, series};

#[test]
fn a_scalar() {
    let expected = "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\
                    \"result\":[1795345101.000,\"63\"]}}\n";
    assert_eq!(success(&Value::Scalar((1_795_345_101_000, 63.0))), expected);
}

#[test]
fn a_vector() {
    let one = labels("source_id=app-1,peer=x,instance_id=0");
    let vector = vec![
        (one, (1_795_345_101_007, 49.0)),
        (labels(""), (-1_500, f64::NAN)),
    ];
    let expected = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[\
                    {\"metric\":{\"instance_id\":\"0\",\"peer\":\"x\",\"source_id\":\"app-1\"},\
                    \"value\":[1795345101.007,\"49\"]},\
                    {\"metric\":{},\"value\":[-1.500,\"NaN\"]}]}}\n";
    assert_eq!(success(&Value::Vector(vector)), expected);
    let expected = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}\n";
    assert_eq!(success(&Value::Vector(Vec::new())), expected);
}

#[test]
fn a_matrix() {
    let matrix = vec![series("a=<b>", &[(1_000, 45.0), (2_000, 1e21)])];
    let expected = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[\
                    {\"metric\":{\"a\":\"\\u003cb\\u003e\"},\"values\":[[1.000,\"45\"],\
                    [2.000,\"1000000000000000000000\"]]}]}}\n";
    assert_eq!(success(&Value::Matrix(matrix)), expected);
}

#[test]
fn an_error_is_escaped_for_html() {
    let expected = "{\"status\":\"error\",\"errorType\":\"bad_data\",\
                    \"error\":\"\\\"\\\\\\n\\t\\r\\b\\f\\u0001\\u003c\\u003e\\u0026\\u2028é\\u007f\"}\n";
    let expected = expected.replace("\\u007f", "\u{7f}");
    assert_eq!(
        error("bad_data", "\"\\\n\t\r\u{8}\u{c}\u{1}<>&\u{2028}é\u{7f}"),
        expected
    );
}
