//! Settings from environment variables, by the rules of go-envstruct, with which upstream's
//! components read theirs; and the report of them that it writes at start.
//!
//! A role reads its variables one after the other through a [`Reader`], a [`Variable`] each: their
//! order is the order of the report, and of which error is told first.

use super::duration::{DurationError, GoDuration, quoted};
use super::log::Stamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::PathBuf;

/// Names and values, of this process or of a test. What is empty is unset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What this process was started with. Bytes that are no UTF-8 become replacement characters.
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self(
            std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        (!value.is_empty()).then_some(value)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Why the environment cannot be used, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// These must be set: sorted, each once.
    #[error("missing required environment variables: {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// A value that its variable cannot have.
    #[error("{0}")]
    Invalid(String),
}

/// A variable as the report shows it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    field: &'static str,
    kind: &'static str,
    name: &'static str,
    required: bool,
    reported: bool,
}

impl Variable {
    /// A variable that may be unset and whose value is kept out of the report. `field` and `kind`
    /// are the field and the type of upstream's configuration.
    pub const fn new(field: &'static str, kind: &'static str, name: &'static str) -> Self {
        Self {
            field,
            kind,
            name,
            required: false,
            reported: false,
        }
    }

    /// Must be set, and not to nothing.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Its value may be shown.
    pub const fn reported(mut self) -> Self {
        self.reported = true;
        self
    }
}

/// What a variable may hold.
pub trait Setting: Sized {
    /// Reads a text, which is not empty.
    ///
    /// # Errors
    /// What is wrong with it, as Go's library says it.
    fn parse(text: &str) -> Result<Self, String>;

    /// How Go prints it.
    fn shown(&self) -> String;
}

/// Reads variables and remembers what was wrong and what to report.
#[derive(Debug)]
pub struct Reader<'e> {
    environment: &'e Environment,
    report: Report,
    missing: BTreeSet<&'static str>,
    invalid: Option<String>,
}

impl<'e> Reader<'e> {
    /// Nothing read yet.
    pub const fn new(environment: &'e Environment) -> Self {
        Self {
            environment,
            report: Report(Vec::new()),
            missing: BTreeSet::new(),
            invalid: None,
        }
    }

    /// The value of a variable; `default` if it is unset, or wrong, which
    /// [`finish`](Self::finish) will tell.
    pub fn read<T: Setting>(&mut self, variable: Variable, default: T) -> T {
        let value = match self.environment.get(variable.name).map(T::parse) {
            Some(Ok(value)) => value,
            Some(Err(problem)) => {
                self.invalid.get_or_insert(problem);
                default
            }
            None => {
                if variable.required {
                    self.missing.insert(variable.name);
                }
                default
            }
        };
        self.report.add(variable, &value);
        value
    }

    /// A path; none if it is unset.
    pub fn path(&mut self, variable: Variable) -> PathBuf {
        self.read(variable, String::new()).into()
    }

    /// How lines of the log start, by whether they are to be RFC 3339's.
    pub fn stamp(&mut self, rfc3339: Variable, otherwise: Stamp) -> Stamp {
        if self.read(rfc3339, false) {
            Stamp::Rfc3339
        } else {
            otherwise
        }
    }

    /// The report of all that was read.
    ///
    /// # Errors
    /// The first value that cannot be, or all names that are missing.
    pub fn finish(self) -> Result<Report, EnvironmentError> {
        match self.invalid {
            Some(problem) => Err(EnvironmentError::Invalid(problem)),
            None if self.missing.is_empty() => Ok(self.report),
            None => Err(EnvironmentError::Missing(
                self.missing.into_iter().collect(),
            )),
        }
    }
}

/// A table of the variables read, a line each, after a line of titles. Values are omitted unless
/// [`reported`](Variable::reported): there are secrets among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Vec<[String; 5]>);

const TITLES: [&str; 5] = ["FIELD NAME:", "TYPE:", "ENV:", "REQUIRED:", "VALUE:"];
/// Blanks between a column's widest cell and the next column.
const PADDING: usize = 2;

impl Report {
    /// A report of nothing, which shows nothing.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, variable: Variable, value: &impl Setting) {
        let value = if variable.reported {
            value.shown()
        } else {
            "(OMITTED)".to_owned()
        };
        self.0.push([
            variable.field.to_owned(),
            variable.kind.to_owned(),
            variable.name.to_owned(),
            variable.required.to_string(),
            value,
        ]);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.0.iter().map(|row| row[column].chars().count());
        cells.fold(TITLES[column].len(), usize::max) + PADDING
    }
}

impl Display for Report {
    /// Every line ends with a line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let widths = [0, 1, 2, 3].map(|column| self.width(column));
        let mut line = |cells: [&str; 5]| {
            for (cell, width) in cells.iter().zip(widths) {
                write!(f, "{cell:<width$}")?;
            }
            writeln!(f, "{}", cells[4])
        };
        line(TITLES)?;
        self.0
            .iter()
            .try_for_each(|row| line(row.each_ref().map(String::as_str)))
    }
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn shown(&self) -> String {
        self.clone()
    }
}

impl Setting for bool {
    /// True if `true` or `1`; whatever else is false and no error.
    fn parse(text: &str) -> Result<Self, String> {
        Ok(matches!(text, "true" | "1"))
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Setting for Vec<String> {
    /// Items between commas, blanks around them taken off; also empty ones.
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
    }

    fn shown(&self) -> String {
        format!("[{}]", self.join(" "))
    }
}

impl Setting for BTreeMap<String, String> {
    /// Pairs between commas, blanks around them taken off, each with a colon between key and value.
    fn parse(text: &str) -> Result<Self, String> {
        let pair = |pair: &str| match pair.trim().split_once(':') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(format!(
                "map[string]string key '{}' is missing a value",
                pair.trim()
            )),
        };
        text.split(',').map(pair).collect()
    }

    fn shown(&self) -> String {
        let pairs: Vec<_> = self
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        format!("map[{}]", pairs.join(" "))
    }
}

impl Setting for GoDuration {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: DurationError| error.to_string())
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Setting for i64 {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        number("ParseInt", text, digits)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    fn parse(text: &str) -> Result<Self, String> {
        number("ParseUint", text, text)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A port. Upstream cuts off the upper bits of a larger number and listens somewhere; here it is
/// out of range.
impl Setting for u16 {
    fn parse(text: &str) -> Result<Self, String> {
        number("ParseUint", text, text)
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A port that upstream reads as any number, and then cannot listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntPort(pub u16);

impl Setting for IntPort {
    fn parse(text: &str) -> Result<Self, String> {
        let number = i64::parse(text)?;
        let problem = || {
            format!(
                "strconv.ParseInt: parsing {}: value out of range",
                quoted(text)
            )
        };
        u16::try_from(number).ok().map(Self).ok_or_else(problem)
    }

    fn shown(&self) -> String {
        self.0.to_string()
    }
}

/// A decimal number whose digits, without a sign, are `digits`.
fn number<T: std::str::FromStr>(function: &str, text: &str, digits: &str) -> Result<T, String> {
    let problem = |what| format!("strconv.{function}: parsing {}: {what}", quoted(text));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem("invalid syntax"));
    }
    text.parse().or(Err(problem("value out of range")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Variable = Variable::new("Config.Name", "string", "NAME");

    fn read<T: Setting>(text: &str, default: T) -> Result<T, EnvironmentError> {
        let environment = Environment::from_iter([("NAME", text)]);
        let mut reader = Reader::new(&environment);
        let value = reader.read(NAME, default);
        reader.finish().map(|_| value)
    }

    fn problem<T: Setting + fmt::Debug>(text: &str, default: T) -> String {
        read(text, default).unwrap_err().to_string()
    }

    #[test]
    fn empty_is_unset() {
        assert_eq!(read("", "default".to_owned()), Ok("default".to_owned()));
        assert_eq!(read("", true), Ok(true));
        assert_eq!(read("", 7_u16), Ok(7));
        assert_eq!(read("", vec![]), Ok(vec![]));
        assert_eq!(
            read("", GoDuration::from_secs(1)),
            Ok(GoDuration::from_secs(1))
        );
        assert_eq!(read(" ", "default".to_owned()), Ok(" ".to_owned()));
    }

    #[test]
    fn only_true_and_1_are_true() {
        for (text, expected) in [("true", true), ("1", true), ("TRUE", false), ("t", false)] {
            assert_eq!(read(text, !expected), Ok(expected), "{text}");
        }
        for text in ["yes", "false", "0", " true"] {
            assert_eq!(read(text, true), Ok(false), "{text}");
        }
    }

    #[test]
    fn numbers_are_decimal_and_in_range() {
        assert_eq!(read("8082", 0_u16), Ok(8082));
        assert_eq!(read("18446744073709551615", 0_u64), Ok(u64::MAX));
        assert_eq!(read("-9223372036854775808", 0_i64), Ok(i64::MIN));
        assert_eq!(read("+5", 0_i64), Ok(5));
        let cases = [
            ("+5", "invalid syntax"),
            ("-5", "invalid syntax"),
            ("0x10", "invalid syntax"),
            ("1_000", "invalid syntax"),
            (" 1", "invalid syntax"),
            ("18446744073709551616", "value out of range"),
        ];
        for (text, what) in cases {
            let expected = format!("strconv.ParseUint: parsing \"{text}\": {what}");
            assert_eq!(problem(text, 0_u64), expected);
        }
        for (text, what) in [
            ("-", "invalid syntax"),
            ("9223372036854775808", "value out of range"),
        ] {
            let expected = format!("strconv.ParseInt: parsing \"{text}\": {what}");
            assert_eq!(problem(text, 0_i64), expected);
        }
    }

    #[test]
    fn a_port_is_never_cut_to_size() {
        let expected = "strconv.ParseUint: parsing \"70000\": value out of range";
        assert_eq!(problem("70000", 0_u16), expected);
    }

    #[test]
    fn lists_are_split_and_trimmed() {
        let items = |items: &[&str]| Ok(items.iter().map(|item| (*item).to_owned()).collect());
        assert_eq!(read(" a:1 , b:2", vec![]), items(&["a:1", "b:2"]));
        assert_eq!(read("a,,", vec![]), items(&["a", "", ""]));
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(
            read("14m", GoDuration::ZERO),
            Ok(GoDuration::from_secs(840))
        );
        assert_eq!(
            problem("5", GoDuration::ZERO),
            "time: missing unit in duration \"5\""
        );
    }

    #[test]
    fn all_that_is_missing_is_named_once_and_in_order() {
        let environment = Environment::from_iter([("B", "")]);
        let mut reader = Reader::new(&environment);
        for name in ["C", "B", "A", "B"] {
            let variable = Variable::new("Config.X", "string", name).required();
            reader.read(variable, String::new());
        }
        let error = reader.finish().unwrap_err().to_string();
        assert_eq!(error, "missing required environment variables: A, B, C");
    }

    #[test]
    fn a_wrong_value_is_told_before_what_is_missing() {
        let environment = Environment::from_iter([("PORT", "x"), ("OTHER", "y")]);
        let mut reader = Reader::new(&environment);
        reader.read(NAME.required(), String::new());
        reader.read(Variable::new("Config.Port", "uint16", "PORT"), 0_u16);
        reader.read(Variable::new("Config.Other", "uint16", "OTHER"), 0_u16);
        let error = reader.finish().unwrap_err().to_string();
        assert_eq!(error, "strconv.ParseUint: parsing \"x\": invalid syntax");
    }

    #[test]
    fn the_report_is_a_table_that_keeps_secrets() {
        let environment = Environment::from_iter([
            ("SECRET", "hush"),
            ("ADDRESSES", "a:1, b:2"),
            ("TIMEOUT", "90s"),
        ]);
        let mut reader = Reader::new(&environment);
        let secret = Variable::new("Config.ClientSecret", "string", "SECRET").required();
        reader.read(secret, String::new());
        let addresses = Variable::new("GRPC.Addrs", "[]string", "ADDRESSES").reported();
        reader.read(addresses, Vec::<String>::new());
        let timeout = Variable::new("Config.Timeout", "time.Duration", "TIMEOUT").reported();
        reader.read(timeout, GoDuration::ZERO);
        let expected = "\
FIELD NAME:          TYPE:          ENV:       REQUIRED:  VALUE:
Config.ClientSecret  string         SECRET     true       (OMITTED)
GRPC.Addrs           []string       ADDRESSES  false      [a:1 b:2]
Config.Timeout       time.Duration  TIMEOUT    false      1m30s
";
        assert_eq!(reader.finish().unwrap().to_string(), expected);
    }
}
