//! The options of one layer, taken out one by one, so that what is left over is a mistake.

use super::super::op::Padding;
use super::{DescribeError, MAX_NUMBER};

/// The options of one layer.
pub(super) struct Fields {
    table: toml::Table,
    pub(super) op: String,
    /// Its number, operation and name, for errors.
    pub(super) layer: String,
    pub(super) name: Option<String>,
}

/// A whole number from 0 to the largest allowed.
pub(super) fn as_count(value: &toml::Value) -> Option<usize> {
    value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= MAX_NUMBER)
}

/// At most the first characters of a value, for errors.
pub(super) fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let start: String = text.chars().take(MAX_CHARS).collect();
    if start.len() < text.len() { start + "…" } else { start }
}

impl Fields {
    pub(super) fn new(number: usize, table: toml::Table) -> Result<Self, DescribeError> {
        let mut fields = Self { table, op: String::new(), layer: format!("layer {number}"), name: None };
        fields.op = fields.text("op")?.ok_or_else(|| fields.missing("op"))?;
        fields.name = fields.text("name")?;
        let name = fields.name.as_ref().map_or_else(String::new, |name| format!(" `{}`", shortened(name)));
        fields.layer += &format!(" ({}{name})", shortened(&fields.op));
        Ok(fields)
    }

    /// An error if an option was not taken: this operation has none of that name.
    pub(super) fn finish(self) -> Result<(), DescribeError> {
        match self.table.into_iter().next() {
            Some((option, _)) => Err(DescribeError::Unknown { layer: self.layer, option: shortened(&option) }),
            None => Ok(()),
        }
    }

    pub(super) fn missing(&self, option: &'static str) -> DescribeError {
        DescribeError::Missing { layer: self.layer.clone(), option }
    }

    /// An option as `read` understands it.
    fn take<T>(
        &mut self,
        option: &'static str,
        expected: &'static str,
        read: impl Fn(&toml::Value) -> Option<T>,
    ) -> Result<Option<T>, DescribeError> {
        let Some(value) = self.table.remove(option) else { return Ok(None) };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            None => {
                let found = shortened(&value.to_string());
                Err(DescribeError::Option { layer: self.layer.clone(), option, expected, found })
            }
        }
    }

    pub(super) fn text(&mut self, option: &'static str) -> Result<Option<String>, DescribeError> {
        self.take(option, "a text", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&mut self, option: &'static str, default: bool) -> Result<bool, DescribeError> {
        Ok(self.take(option, "true or false", toml::Value::as_bool)?.unwrap_or(default))
    }

    /// Whether there is an optional tensor, and its name if that is given.
    pub(super) fn tensor(&mut self, role: &'static str) -> Result<(bool, Option<String>), DescribeError> {
        let read = |value: &toml::Value| match value {
            toml::Value::Boolean(has) => Some((*has, None)),
            toml::Value::String(name) => Some((true, Some(name.clone()))),
            _ => None,
        };
        Ok(self.take(role, "true, false or a tensor's name", read)?.unwrap_or((true, None)))
    }

    pub(super) fn count(&mut self, option: &'static str) -> Result<Option<usize>, DescribeError> {
        self.take(option, "a whole number from 0 to 1048576", as_count)
    }

    /// A number of at least 1 that must be there.
    pub(super) fn positive(&mut self, option: &'static str) -> Result<usize, DescribeError> {
        let read = |value: &toml::Value| as_count(value).filter(|&n| 0 < n);
        self.take(option, "a whole number from 1 to 1048576", read)?.ok_or_else(|| self.missing(option))
    }

    /// A number that fits an `f32`.
    pub(super) fn number(&mut self, option: &'static str) -> Result<Option<f32>, DescribeError> {
        let read = |value: &toml::Value| {
            let number = value.as_float().or(value.as_integer().map(|n| n as f64))?;
            Some(number as f32).filter(|number| number.is_finite())
        };
        self.take(option, "a finite number", read)
    }

    /// `3` or `[3, 5]`, each at least 1: vertical, horizontal.
    pub(super) fn pair(&mut self, option: &'static str) -> Result<Option<[usize; 2]>, DescribeError> {
        self.take(option, "a number of at least 1, or two", |value| pair(value).filter(|pair| !pair.contains(&0)))
    }

    /// `1`, `[1, 2]` or `[[1, 1], [2, 2]]`.
    pub(super) fn padding(&mut self) -> Result<Padding, DescribeError> {
        let read = |value: &toml::Value| match value.as_array().map(Vec::as_slice) {
            Some([rows @ toml::Value::Array(_), columns @ toml::Value::Array(_)]) => {
                Some([pair(rows)?, pair(columns)?])
            }
            _ => pair(value).map(|[rows, columns]| [[rows; 2], [columns; 2]]),
        };
        let expected = "a number, [vertical, horizontal] or [[top, bottom], [left, right]]";
        Ok(self.take("padding", expected, read)?.unwrap_or_default())
    }

    /// The names that `from` lists; one may stand alone.
    pub(super) fn from(&mut self) -> Result<Option<Vec<String>>, DescribeError> {
        let read = |value: &toml::Value| match value {
            toml::Value::String(name) => Some(vec![name.clone()]),
            toml::Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        self.take("from", "a list of ids or names of layers", read)
    }
}

fn pair(value: &toml::Value) -> Option<[usize; 2]> {
    match value.as_array().map(Vec::as_slice) {
        Some([first, second]) => Some([as_count(first)?, as_count(second)?]),
        Some(_) => None,
        None => as_count(value).map(|n| [n; 2]),
    }
}
