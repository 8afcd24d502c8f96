//! Values that go into statements and come out of rows: text, whole numbers, real numbers,
//! booleans and bytes. Time is milliseconds UTC, JSON is text, ids are text.

use hutong_model::{AppId, ChatId, CompanyId, DepartmentId, MessageId, Timestamp, UserId};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::StoreError;

/// A bound argument. `None` is NULL of that type (PostgreSQL needs the type of a NULL).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Real(Option<f64>),
    Bool(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! into_value {
    ($($from:ty => $variant:ident, $convert:expr;)*) => {$(
        impl From<$from> for Value {
            fn from(v: $from) -> Self {
                let convert: fn($from) -> _ = $convert;
                Value::$variant(Some(convert(v)))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(v: Option<$from>) -> Self {
                let convert: fn($from) -> _ = $convert;
                Value::$variant(v.map(convert))
            }
        }
    )*};
}

into_value! {
    &str => Text, |v| v.to_owned();
    &String => Text, |v| v.clone();
    String => Text, |v| v;
    i64 => Int, |v| v;
    i32 => Int, i64::from;
    u32 => Int, i64::from;
    usize => Int, |v| i64::try_from(v).unwrap_or(i64::MAX);
    Timestamp => Int, |v| v.0;
    f64 => Real, |v| v;
    bool => Bool, |v| v;
    Vec<u8> => Bytes, |v| v;
    &[u8] => Bytes, |v| v.to_vec();
    &AppId => Text, |v| v.as_str().to_owned();
    &CompanyId => Text, |v| v.as_str().to_owned();
    &UserId => Text, |v| v.as_str().to_owned();
    &ChatId => Text, |v| v.as_str().to_owned();
    &MessageId => Text, |v| v.as_str().to_owned();
    &DepartmentId => Text, |v| v.as_str().to_owned();
}

/// A row of either database.
#[derive(Debug)]
pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Reads a column by name. An absent column, another type or an unexpected NULL is
    /// [`StoreError::Broken`].
    pub fn get<T: FromColumn>(&self, column: &str) -> Result<T, StoreError> {
        T::from_column(self, column)
    }
}

/// A type that a column can be read as.
pub trait FromColumn: Sized {
    fn from_column(row: &Row, column: &str) -> Result<Self, StoreError>;
}

macro_rules! native {
    ($($t:ty),*) => {$(
        impl FromColumn for $t {
            fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
                match row {
                    Row::Sqlite(r) => r.try_get(column),
                    Row::Postgres(r) => r.try_get(column),
                }
                .map_err(StoreError::from)
            }
        }
        impl FromColumn for Option<$t> {
            fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
                match row {
                    Row::Sqlite(r) => r.try_get(column),
                    Row::Postgres(r) => r.try_get(column),
                }
                .map_err(StoreError::from)
            }
        }
    )*};
}

native!(i64, f64, String, Vec<u8>);

// SQLite has no boolean storage class: a column declared BOOLEAN reads as one, an expression does not.
impl FromColumn for Option<bool> {
    fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
        match row {
            Row::Sqlite(r) => {
                let raw = r.try_get_raw(column)?;
                if raw.is_null() {
                    return Ok(None);
                }
                if raw.type_info().name() == "BOOLEAN" {
                    return Ok(Some(r.try_get::<bool, _>(column)?));
                }
                Ok(Some(r.try_get::<i64, _>(column)? != 0))
            }
            Row::Postgres(r) => Ok(r.try_get(column)?),
        }
    }
}

impl FromColumn for bool {
    fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
        Option::<bool>::from_column(row, column)?.ok_or_else(|| StoreError::Broken(format!("column {column} is NULL")))
    }
}

impl FromColumn for Timestamp {
    fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
        i64::from_column(row, column).map(Timestamp)
    }
}

impl FromColumn for Option<Timestamp> {
    fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
        Ok(Option::<i64>::from_column(row, column)?.map(Timestamp))
    }
}

macro_rules! ids {
    ($($t:ty),*) => {$(
        impl FromColumn for $t {
            fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
                <$t>::new(String::from_column(row, column)?).map_err(|e| StoreError::Broken(e.to_string()))
            }
        }
        impl FromColumn for Option<$t> {
            fn from_column(row: &Row, column: &str) -> Result<Self, StoreError> {
                Option::<String>::from_column(row, column)?
                    .map(|text| <$t>::new(text).map_err(|e| StoreError::Broken(e.to_string())))
                    .transpose()
            }
        }
    )*};
}

ids!(AppId, CompanyId, UserId, ChatId, MessageId, DepartmentId);
