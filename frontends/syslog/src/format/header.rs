//! The header fields that carry names: HOSTNAME, APP-NAME and PROCID (RFC 5424 §6.2.4 to §6.2.6).
//!
//! Names are cut on bytes, and checked after the cut, as upstream does. A cut within a character
//! does no harm: what is left of it is as invalid here as the whole character would have been.

use super::FormatLoss;
use super::bytes::{self, LABEL, PRINTABLE};
use crate::view::Names;

const HOSTNAME_BYTES_MAX: usize = 255;
/// One label of a host name (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
const APP_NAME_BYTES_MAX: usize = 48;
const PROC_ID_BYTES_MAX: usize = 128;

/// Appends `org.space.app` when the tags name any of them, each empty when it is missing, and gives
/// whether they did.
pub(super) fn write_hostname(names: &Names<'_>, out: &mut Vec<u8>) -> bool {
    let names = [names.organization, names.space, names.app];
    if names == [None; 3] {
        return false;
    }
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        write_label(name.unwrap_or_default(), out);
    }
    true
}

/// A drain's own host name as HOSTNAME: cut to 255 bytes, `-` when empty, `None` when it holds
/// what HOSTNAME cannot.
pub(super) fn drain_hostname(name: &str) -> Option<Vec<u8>> {
    let mut field = Vec::new();
    write_cut(name.as_bytes(), HOSTNAME_BYTES_MAX, &mut field);
    bytes::all(&field, PRINTABLE).then_some(field)
}

/// Appends the source id as APP-NAME: cut to 48 bytes, `-` when empty.
///
/// # Errors
/// `AppNameInvalid` unless every byte of it is printable ASCII.
pub(super) fn write_app_name(source_id: &[u8], out: &mut Vec<u8>) -> Result<(), FormatLoss> {
    let start = out.len();
    write_cut(source_id, APP_NAME_BYTES_MAX, out);
    if bytes::all(&out[start..], PRINTABLE) {
        Ok(())
    } else {
        Err(FormatLoss::AppNameInvalid)
    }
}

/// Appends a log's PROCID: `[TYPE/INSTANCE]`, or `[TYPE]` without an instance.
///
/// Within 128 bytes the instance gives way first. A type that leaves it no room keeps the slash
/// and loses its own end, where upstream's process dies.
///
/// # Errors
/// `ProcIdInvalid` unless what is left of the instance is printable ASCII.
pub(super) fn write_log_proc_id(
    source_type: &[u8],
    instance_id: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FormatLoss> {
    let start = out.len();
    out.push(b'[');
    write_source_type(source_type, out);
    if !instance_id.is_empty() {
        out.push(b'/');
        let room = (PROC_ID_BYTES_MAX - 1).saturating_sub(out.len() - start);
        out.extend_from_slice(cut(instance_id, room));
    }
    out.push(b']');
    end_proc_id(start, out)
}

/// Appends the PROCID of all that is not a log: `[INSTANCE]`, of which 128 bytes are kept.
///
/// # Errors
/// `ProcIdInvalid` unless what is left of the instance is printable ASCII.
pub(super) fn write_metric_proc_id(
    instance_id: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FormatLoss> {
    let start = out.len();
    out.push(b'[');
    out.extend_from_slice(cut(instance_id, PROC_ID_BYTES_MAX));
    out.push(b']');
    end_proc_id(start, out)
}

fn end_proc_id(start: usize, out: &mut Vec<u8>) -> Result<(), FormatLoss> {
    out.truncate(start + PROC_ID_BYTES_MAX);
    if bytes::all(&out[start..], PRINTABLE) {
        Ok(())
    } else {
        Err(FormatLoss::ProcIdInvalid)
    }
}

/// Cleaned first and cut after, so that a cut may leave a dash at the end.
fn write_label(name: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    write_cleaned(name, LABEL, out);
    out.truncate(start + LABEL_BYTES_MAX);
}

fn write_source_type(source_type: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    write_cleaned(source_type, PRINTABLE, out);
    out[start..].make_ascii_uppercase();
}

/// Appends `name` with a dash for each run of white space, without the bytes that are not of
/// `class` and without dashes at its end. White space is what Go's `\s` matches: no vertical tab.
fn write_cleaned(name: &[u8], class: u8, out: &mut Vec<u8>) {
    let start = out.len();
    if bytes::all(name, class) {
        out.extend_from_slice(name);
    } else {
        write_dashed(name, class, out);
    }
    let is_dash = |byte: &&u8| **byte == b'-';
    let dash_count = out[start..].iter().rev().take_while(is_dash).count();
    out.truncate(out.len() - dash_count);
}

fn write_dashed(name: &[u8], class: u8, out: &mut Vec<u8>) {
    let mut is_after_space = false;
    for byte in name.iter().copied() {
        let is_space = byte.is_ascii_whitespace();
        if is_space && !is_after_space {
            out.push(b'-');
        } else if bytes::is(byte, class) {
            out.push(byte);
        }
        is_after_space = is_space;
    }
}

fn write_cut(name: &[u8], bytes_max: usize, out: &mut Vec<u8>) {
    if name.is_empty() {
        out.push(b'-');
    } else {
        out.extend_from_slice(cut(name, bytes_max));
    }
}

fn cut(name: &[u8], bytes_max: usize) -> &[u8] {
    &name[..name.len().min(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn hostname(pairs: &[(&str, &str)]) -> Option<String> {
        let named = |name: &str| {
            let mut pairs = pairs.iter();
            pairs.find_map(|pair| (pair.0 == name).then_some(pair.1.as_bytes()))
        };
        let names = Names {
            organization: named("organization_name"),
            space: named("space_name"),
            app: named("app_name"),
            source_type: None,
        };
        let mut out = Vec::new();
        write_hostname(&names, &mut out).then(|| text(out))
    }

    fn app(name: &str) -> String {
        hostname(&[("app_name", name)]).unwrap()
    }

    fn app_name(source_id: &str) -> Result<String, FormatLoss> {
        let mut out = b"before ".to_vec();
        write_app_name(source_id.as_bytes(), &mut out)?;
        Ok(text(out.split_off(7)))
    }

    fn log_proc_id(source_type: &str, instance_id: &str) -> Result<String, FormatLoss> {
        let mut out = b"before ".to_vec();
        write_log_proc_id(source_type.as_bytes(), instance_id.as_bytes(), &mut out)?;
        Ok(text(out.split_off(7)))
    }

    fn metric_proc_id(instance_id: &str) -> Result<String, FormatLoss> {
        let mut out = b"before ".to_vec();
        write_metric_proc_id(instance_id.as_bytes(), &mut out)?;
        Ok(text(out.split_off(7)))
    }

    #[test]
    fn a_drains_hostname_is_cut_then_checked() {
        assert_eq!(drain_hostname("").unwrap(), b"-");
        assert_eq!(drain_hostname("h.example~").unwrap(), b"h.example~");
        let long = "h".repeat(255);
        assert_eq!(
            drain_hostname(&format!("{long}h")).unwrap(),
            long.as_bytes()
        );
        assert_eq!(
            drain_hostname(&format!("{long} ")).unwrap(),
            long.as_bytes()
        );
        for name in ["a b", "é", "a\n", "\u{7f}"] {
            assert_eq!(drain_hostname(name), None);
        }
    }

    #[test]
    fn any_tag_of_an_app_makes_a_hostname() {
        assert_eq!(hostname(&[]), None);
        assert_eq!(hostname(&[("source_type", "APP"), ("app", "a")]), None);
        assert_eq!(hostname(&[("organization_name", "o")]).unwrap(), "o..");
        assert_eq!(hostname(&[("space_name", "s")]).unwrap(), ".s.");
        assert_eq!(
            hostname(&[("app_name", ""), ("organization_name", "o")]).unwrap(),
            "o.."
        );
        assert_eq!(app(""), "..");
    }

    #[test]
    fn labels_are_cleaned_then_cut() {
        assert_eq!(app(" a \t\r\n\u{c}b "), "..-a-b");
        assert_eq!(app("a \u{b} b"), "..a--b");
        assert_eq!(app("späce._1--"), "..spce1");
        assert_eq!(app("a\u{a0}b\u{2003}c"), "..abc");
        assert_eq!(app("- -"), "..");
        let a62 = "a".repeat(62);
        assert_eq!(app(&format!("{a62}--b")), format!("..{a62}-"));
    }

    #[test]
    fn an_app_name_is_48_bytes_of_the_source_id() {
        assert_eq!(app_name("").unwrap(), "-");
        assert_eq!(app_name("~!@]\"\\").unwrap(), "~!@]\"\\");
        let s48 = "s".repeat(48);
        assert_eq!(app_name(&format!("{s48}s")).unwrap(), s48);
        assert_eq!(app_name(&format!("{s48}é \n")).unwrap(), s48);
        let half_a_character = format!("{}é", "s".repeat(47));
        for source_id in ["a b", "é", "a\n", "\0", half_a_character.as_str()] {
            assert_eq!(app_name(source_id), Err(FormatLoss::AppNameInvalid));
        }
    }

    #[test]
    fn a_logs_proc_id_is_type_and_instance() {
        assert_eq!(log_proc_id("", "").unwrap(), "[]");
        assert_eq!(log_proc_id("", "0").unwrap(), "[/0]");
        assert_eq!(log_proc_id("app/proc/web", "").unwrap(), "[APP/PROC/WEB]");
        assert_eq!(log_proc_id("täsk  web こ", "1").unwrap(), "[TSK-WEB/1]");
        assert_eq!(log_proc_id("a\u{b}b]--", "1]").unwrap(), "[AB]/1]]");
        assert_eq!(log_proc_id("APP", "a b"), Err(FormatLoss::ProcIdInvalid));
    }

    #[test]
    fn a_logs_proc_id_keeps_the_type_and_cuts_the_instance() {
        let i = |length: usize| "i".repeat(length);
        assert_eq!(
            log_proc_id("abc", &i(200)).unwrap(),
            format!("[ABC/{}]", i(122))
        );
        assert_eq!(log_proc_id("", &i(125)).unwrap(), format!("[/{}]", i(125)));
        assert_eq!(log_proc_id("", &i(126)).unwrap(), format!("[/{}]", i(125)));
        let cut_off = format!("{}é", i(122));
        assert_eq!(
            log_proc_id("abc", &cut_off).unwrap(),
            format!("[ABC/{}]", i(122))
        );
        let cut_within = format!("{}é", i(121));
        assert_eq!(
            log_proc_id("abc", &cut_within),
            Err(FormatLoss::ProcIdInvalid)
        );
    }

    #[test]
    fn a_type_without_room_for_an_instance_is_cut() {
        let with = |length: usize, instance: &str| log_proc_id(&"t".repeat(length), instance);
        let shown = |length: usize| "T".repeat(length);
        assert_eq!(with(125, "0").unwrap(), format!("[{}/]", shown(125)));
        assert_eq!(with(126, "0").unwrap(), format!("[{}/", shown(126)));
        assert_eq!(with(127, "0").unwrap(), format!("[{}", shown(127)));
        assert_eq!(with(4000, "0").unwrap(), format!("[{}", shown(127)));
        assert_eq!(with(126, "").unwrap(), format!("[{}]", shown(126)));
        assert_eq!(with(127, "").unwrap(), format!("[{}", shown(127)));
    }

    #[test]
    fn a_metrics_proc_id_is_the_instance() {
        let i = |length: usize| "i".repeat(length);
        assert_eq!(metric_proc_id("").unwrap(), "[]");
        assert_eq!(metric_proc_id("7/x").unwrap(), "[7/x]");
        assert_eq!(metric_proc_id(&i(126)).unwrap(), format!("[{}]", i(126)));
        assert_eq!(metric_proc_id(&i(127)).unwrap(), format!("[{}", i(127)));
        assert_eq!(metric_proc_id(&i(500)).unwrap(), format!("[{}", i(127)));
        for instance_id in ["a b", "é", "\n"] {
            assert_eq!(metric_proc_id(instance_id), Err(FormatLoss::ProcIdInvalid));
        }
    }
}
