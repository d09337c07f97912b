//! Query parameters: bounded, with every field that does not fit told at once.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web;

use super::problem::{FieldError, Problem};

/// A request's query. Parameters that no route asks for are ignored.
pub struct Query {
    values: HashMap<String, String>,
    errors: Vec<FieldError>,
}

impl Query {
    pub fn of(request: &HttpRequest) -> Self {
        if let Ok(pairs) = web::Query::<Vec<(String, String)>>::from_query(request.query_string()) {
            return Self { values: pairs.into_inner().into_iter().collect(), errors: Vec::new() };
        }
        let mut query = Self { values: HashMap::new(), errors: Vec::new() };
        query.fault("query", "cannot be read");
        query
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.values.get(field).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// Reads a field with `parse`; what it does not take is an error.
    pub fn parse<T>(&mut self, field: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.text(field)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.fault(field, format!("must be {expected}"));
        }
        parsed
    }

    pub fn whole<T>(&mut self, field: &str, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.parse(field, &expected, |text| text.parse().ok().filter(|number| bounds.contains(number)))
    }

    /// # Errors
    /// All that did not fit.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_fields(self.errors)) }
    }
}
