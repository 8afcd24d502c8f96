//! From tree to text, in the one spelling that [`super::parse`] reads back to an equal tree.

use std::fmt::{self, Display as _};

use super::{Compare, Expr, Flag, How, NumberField, SetField, Test, TextField};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::All(list) => many(f, list, " and "),
            Expr::Any(list) => many(f, list, " or "),
            Expr::Not(inner) => {
                f.write_str("not ")?;
                inside(f, inner)
            }
            Expr::Test(test) => test.fmt(f),
        }
    }
}

fn many(f: &mut fmt::Formatter<'_>, list: &[Expr], between: &str) -> fmt::Result {
    for (i, expr) in list.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        inside(f, expr)?;
    }
    Ok(())
}

fn inside(f: &mut fmt::Formatter<'_>, expr: &Expr) -> fmt::Result {
    match expr {
        Expr::All(_) | Expr::Any(_) => write!(f, "({expr})"),
        Expr::Not(_) | Expr::Test(_) => expr.fmt(f),
    }
}

/// In a kind of quotes that the value does not end.
struct Quoted<'v>(&'v str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = [('\'', '\''), ('"', '"'), ('「', '」'), ('『', '』'), ('“', '”')]
            .into_iter()
            .find(|(_, close)| !self.0.contains(*close))
            .unwrap_or(('‘', '’'));
        write!(f, "{open}{}{close}", self.0)
    }
}

fn values(f: &mut fmt::Formatter<'_>, values: &[String]) -> fmt::Result {
    f.write_str("(")?;
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        Quoted(value).fmt(f)?;
    }
    f.write_str(")")
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Dept { names, below } => {
                f.write_str(if *below { "dept under " } else { "dept in " })?;
                let names: Vec<String> = names.iter().map(|n| n.text.clone()).collect();
                values(f, &names)
            }
            Test::Text {
                field,
                how,
                values: list,
            } => {
                f.write_str(match field {
                    TextField::Title => "title",
                    TextField::Office => "office",
                    TextField::EmployeeNo => "employee_no",
                })?;
                match (how, list.first()) {
                    (How::Is, _) => {
                        f.write_str(" in ")?;
                        values(f, list)
                    }
                    (How::IsNot, Some(value)) => write!(f, " is not {}", Quoted(value)),
                    (How::Contains, Some(value)) => write!(f, " contains {}", Quoted(value)),
                    (How::IsNot | How::Contains, None) => Ok(()),
                }
            }
            Test::Has { field, values: list } => {
                f.write_str(match field {
                    SetField::Tag => "tag in ",
                    SetField::Interest => "interest in ",
                    SetField::Platform => "platform in ",
                })?;
                values(f, list)
            }
            Test::Number { field, is, value } => {
                let field = match field {
                    NumberField::TenureDays => "tenure_days",
                    NumberField::Score => "score",
                    NumberField::Level => "level",
                };
                write!(f, "{field} {} {value}", sign(*is))
            }
            Test::Activity { is, value } => write!(f, "activity {} {}", sign(*is), value.as_str()),
            Test::Flag(Flag::Contractor) => f.write_str("contractor"),
            Test::Flag(Flag::Leader) => f.write_str("leader"),
        }
    }
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Less => "<",
        Compare::AtMost => "<=",
        Compare::Equal => "=",
        Compare::NotEqual => "!=",
        Compare::AtLeast => ">=",
        Compare::More => ">",
    }
}
