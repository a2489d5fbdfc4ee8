//! Answers as both give them, read and compared.

use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Relative.
const TOLERANCE: f64 = 1e-9;

/// Rows by labels without the metric's name; each a list of times and values.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    kind: String,
    rows: BTreeMap<String, Vec<(f64, f64)>>,
    /// The values of a vector in its order.
    order: Vec<f64>,
}

impl Answer {
    /// Of a body, or the error that it is.
    pub(crate) fn read(body: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(body).unwrap();
        if json["status"] == "success" {
            Ok(Self::of(&json["data"]))
        } else {
            Err(json["error"].to_string())
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn of(data: &Json) -> Self {
        let kind = data["resultType"].as_str().unwrap().to_owned();
        let mut answer = Self {
            kind,
            ..Self::default()
        };
        match answer.kind.as_str() {
            "string" => {} // Only theirs.
            "scalar" => drop(
                answer
                    .rows
                    .insert(String::new(), vec![sample(&data["result"])]),
            ),
            _ => data["result"]
                .as_array()
                .unwrap()
                .iter()
                .for_each(|row| answer.add(row)),
        }
        answer
    }

    fn add(&mut self, json: &Json) {
        let mut metric = json["metric"].as_object().unwrap().clone();
        metric.remove("__name__");
        let samples: Vec<_> = match json["values"].as_array() {
            Some(values) => values.iter().map(sample).collect(),
            None => vec![sample(&json["value"])],
        };
        self.order.push(samples[0].1);
        // Prometheus tells rows with and without a name apart.
        let row = self.rows.entry(Json::from(metric).to_string()).or_default();
        row.extend(samples);
        row.sort_by(|a, b| a.0.total_cmp(&b.0));
        let is_row = row.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(is_row, "two rows have the same labels: {json}");
    }
}

fn sample(json: &Json) -> (f64, f64) {
    let value = json[1].as_str().unwrap();
    (
        json[0].as_f64().unwrap(),
        value.parse().unwrap_or_else(|_| panic!("{value}")),
    )
}

/// What is different, if anything is. The texts of errors may be.
pub(crate) fn compare(
    query: &str,
    ours: &Result<Answer, String>,
    theirs: &Result<Answer, String>,
) -> Result<(), String> {
    let (ours, theirs) = match (ours, theirs) {
        (Err(_), Err(_)) => return Ok(()),
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        _ => return Err(format!("ours {ours:?}, theirs {theirs:?}")),
    };
    if ours.kind != theirs.kind || !ours.rows.keys().eq(theirs.rows.keys()) {
        return Err(format!(
            "ours {} {:?}, theirs {} {:?}",
            ours.kind,
            ours.rows.keys(),
            theirs.kind,
            theirs.rows.keys()
        ));
    }
    for (labels, samples) in &ours.rows {
        let others = &theirs.rows[labels];
        let is_same = |(a, b): (&(f64, f64), &(f64, f64))| a.0 == b.0 && is_close(a.1, b.1);
        let first = samples.iter().zip(others).find(|(a, b)| !is_same((a, b)));
        if samples.len() != others.len() || first.is_some() {
            let (count, counts) = (samples.len(), others.len());
            return Err(format!(
                "{labels}: {count} samples of {counts}, first different {first:?}"
            ));
        }
    }
    let has_order = ["sort", "topk", "bottomk"]
        .iter()
        .any(|word| query.starts_with(word));
    let is_same = ours
        .order
        .iter()
        .zip(&theirs.order)
        .all(|(a, b)| is_close(*a, *b));
    if has_order && !is_same {
        return Err(format!("order {:?}, theirs {:?}", ours.order, theirs.order));
    }
    Ok(())
}

fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}
