//! Parameters of requests, as grpc-gateway puts them into messages: under the names of the `.proto`
//! file or of JSON; what has another name is passed over.

use crate::failure::Failure;
use crate::form::Form;
use hydrant_promql::quote;
use hydrant_proto::logcache::prom_ql::{InstantQueryRequest, RangeQueryRequest};
use hydrant_proto::logcache::{EnvelopeType, MetaRequest, ReadRequest};
use std::num::IntErrorKind;

/// What to read of a source, whose id the query does not change.
pub(crate) fn read(source_id: String, form: &Form) -> Result<ReadRequest, Failure> {
    let mut request = ReadRequest {
        source_id,
        ..ReadRequest::default()
    };
    each(form, &READ, |field, values| {
        let ReadRequest {
            start_time,
            end_time,
            limit,
            envelope_types,
            descending,
            name_filter,
            ..
        } = &mut request;
        match field {
            "start_time" => *start_time = values.int64()?,
            "end_time" => *end_time = values.int64()?,
            "limit" => *limit = values.int64()?,
            "descending" => *descending = values.bool()?,
            "name_filter" => *name_filter = values.text()?,
            _ => envelope_types.extend(values.types()?),
        }
        Ok(())
    })?;
    Ok(request)
}

/// Whose sources to list.
pub(crate) fn meta(form: &Form) -> Result<MetaRequest, Failure> {
    let mut request = MetaRequest::default();
    each(form, &[("local_only", "localOnly")], |_, values| {
        request.local_only = values.bool()?;
        Ok(())
    })?;
    Ok(request)
}

/// A query at one moment.
pub(crate) fn query(form: &Form) -> Result<InstantQueryRequest, Failure> {
    let mut request = InstantQueryRequest::default();
    each(form, &same(["query", "time"]), |field, values| {
        match field {
            "query" => request.query = values.text()?,
            _ => request.time = values.text()?,
        }
        Ok(())
    })?;
    Ok(request)
}

/// A query over a span.
pub(crate) fn query_range(form: &Form) -> Result<RangeQueryRequest, Failure> {
    let mut request = RangeQueryRequest::default();
    let fields = same(["query", "start", "end", "step"]);
    each(form, &fields, |field, values| {
        match field {
            "query" => request.query = values.text()?,
            "start" => request.start = values.text()?,
            "end" => request.end = values.text()?,
            _ => request.step = values.text()?,
        }
        Ok(())
    })?;
    Ok(request)
}

/// Names in the `.proto` file and in JSON.
type Names = (&'static str, &'static str);

const READ: [Names; 6] = [
    ("start_time", "startTime"),
    ("end_time", "endTime"),
    ("limit", "limit"),
    ("envelope_types", "envelopeTypes"),
    ("descending", "descending"),
    ("name_filter", "nameFilter"),
];

fn same<const N: usize>(names: [&'static str; N]) -> [Names; N] {
    names.map(|name| (name, name))
}

/// Sets each field that has a value.
fn each(
    form: &Form,
    fields: &[Names],
    mut set: impl FnMut(&'static str, &Values<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (full, mut values) in form.grouped() {
        // As a map has it: name[key]=value.
        let (key, in_brackets) = match full.strip_suffix(']').and_then(|it| it.rsplit_once('[')) {
            Some((key, inner)) => (key, Some(inner)),
            None => (full, None),
        };
        values.splice(0..0, in_brackets);
        let (name, below) = match key.split_once('.') {
            Some((name, below)) => (name, Some(below)),
            None => (key, None),
        };
        let known = fields
            .iter()
            .find(|(proto, json)| name == *proto || name == *json);
        let Some((field, _)) = known else { continue };
        if below.is_some() {
            let problem = format!("invalid path: {} is not a message", quote(name));
            return Err(Failure::invalid(problem));
        }
        let is_utf8 = form.is_utf8(full);
        let values = Values {
            field,
            values,
            is_utf8,
        };
        set(field, &values)?;
    }
    Ok(())
}

/// All values of one field.
struct Values<'v> {
    field: &'static str,
    values: Vec<&'v str>,
    is_utf8: bool,
}

impl Values<'_> {
    fn single(&self) -> Result<&str, String> {
        match self.values.as_slice() {
            [value] => Ok(value),
            values => Err(format!(
                "too many values for field \"{}\": {}",
                self.field,
                values.join(", ")
            )),
        }
    }

    fn text(&self) -> Result<String, Failure> {
        let text = self.single()?;
        let is_utf8 = self.is_utf8.then(|| text.to_owned());
        is_utf8.ok_or_else(Failure::not_utf8)
    }

    fn int64(&self) -> Result<i64, String> {
        let text = self.single()?;
        let problem = |what| self.problem("ParseInt", text, what);
        text.parse::<i64>().map_err(|error| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => problem("value out of range"),
            _ => problem("invalid syntax"),
        })
    }

    fn bool(&self) -> Result<bool, String> {
        match self.single()? {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            text => Err(self.problem("ParseBool", text, "invalid syntax")),
        }
    }

    fn problem(&self, function: &str, text: &str, what: &str) -> String {
        let text = quote(text);
        format!(
            "parsing field \"{}\": strconv.{function}: parsing {text}: {what}",
            self.field
        )
    }

    /// By name or by number, of those that are known.
    fn types(&self) -> Result<Vec<i32>, String> {
        let one = |text: &&str| {
            let named = EnvelopeType::from_str_name(text);
            let number = || text.parse::<i32>().ok();
            let numbered = || number().and_then(|it| EnvelopeType::try_from(it).ok());
            let known = named.or_else(numbered).map(i32::from);
            known.ok_or_else(|| {
                let text = quote(text);
                format!(
                    "parsing list \"{}\": {text} is not a valid value",
                    self.field
                )
            })
        };
        self.values.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests;
