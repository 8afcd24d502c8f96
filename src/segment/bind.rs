//! A condition bound to the departments of today, and asked about people.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization as _;

use super::{Activity, Answer, Expr, Flag, How, NumberField, SetField, Test, TextField};
use crate::text::Lang;
use crate::text::condition::Mistake;

/// A department as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dept {
    pub id: String,
    /// Where it is known from. The same name in two places is one department seen twice; twice in
    /// one place it is two departments.
    pub place: &'static str,
    pub parent: Option<String>,
    pub name: String,
}

/// A department of the condition that is not, or not once, in the directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {}", .at + 1, .mistake.what(Lang::En))]
pub struct BindError {
    /// In characters from the beginning, the first is 0.
    pub at: usize,
    pub mistake: Mistake,
}

/// What is known about a person. `None`: not known, which is not the same as empty.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Ids of the departments the person stands in directly.
    pub departments: &'a [&'a str],
    pub title: Option<&'a str>,
    pub office: Option<&'a str>,
    pub employee_no: Option<&'a str>,
    pub tags: &'a [&'a str],
    pub interests: &'a [&'a str],
    pub platforms: &'a [&'a str],
    pub tenure_days: Option<i64>,
    pub score: Option<i64>,
    pub level: Option<i64>,
    pub activity: Option<Activity>,
    pub contractor: Option<bool>,
    pub leader: Option<bool>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Bound {
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Dept(HashSet<String>),
    /// Folded values.
    Text(TextField, How, Vec<String>),
    Has(SetField, HashSet<String>),
    Other(Test),
}

/// Letters that people take for the same: case and width do not count.
fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .trim()
        .to_owned()
}

impl Expr {
    /// Finds the departments that the condition names. A department that does not exist is an error
    /// and not an empty set: a renamed department must not empty a group.
    pub fn bind(&self, departments: &[Dept]) -> Result<Bound, BindError> {
        let tree = Tree::of(departments);
        Ok(Bound {
            node: node(self, &tree)?,
        })
    }

    /// True when the condition asks for what only the platform's directory knows about departments.
    pub fn names_departments(&self) -> bool {
        match self {
            Expr::All(list) | Expr::Any(list) => list.iter().any(Expr::names_departments),
            Expr::Not(inner) => inner.names_departments(),
            Expr::Test(test) => matches!(test, Test::Dept { .. }),
        }
    }
}

struct Tree<'d> {
    by_id: HashMap<&'d str, &'d Dept>,
    by_name: HashMap<String, Vec<&'d Dept>>,
    children: HashMap<&'d str, Vec<&'d str>>,
}

impl<'d> Tree<'d> {
    fn of(departments: &'d [Dept]) -> Self {
        let mut tree = Self {
            by_id: HashMap::with_capacity(departments.len()),
            by_name: HashMap::with_capacity(departments.len()),
            children: HashMap::new(),
        };
        for dept in departments {
            tree.by_id.insert(&dept.id, dept);
            tree.by_name.entry(fold(&dept.name)).or_default().push(dept);
            if let Some(parent) = &dept.parent {
                tree.children.entry(parent).or_default().push(&dept.id);
            }
        }
        tree
    }

    /// The path from the top, `a/b/c`. A cycle ends where it closes.
    fn path(&self, dept: &Dept) -> String {
        let mut names = vec![dept.name.clone()];
        let mut seen = HashSet::from([dept.id.as_str()]);
        let mut at = dept;
        while let Some(parent) = at.parent.as_deref().and_then(|p| self.by_id.get(p))
            && seen.insert(&parent.id)
        {
            names.push(parent.name.clone());
            at = parent;
        }
        names.reverse();
        names.join("/")
    }

    fn find(&self, name: &super::Name) -> Result<Vec<&'d Dept>, BindError> {
        let steps: Vec<String> = name.text.split('/').map(fold).collect();
        let Some(last) = steps.last() else {
            return Err(self.missing(name));
        };
        // A department's own name may contain a slash.
        let whole = self.by_name.get(&fold(&name.text)).cloned().unwrap_or_default();
        let mut found = if whole.is_empty() {
            self.by_name.get(last).cloned().unwrap_or_default()
        } else {
            whole
        };
        if steps.len() > 1 && found.iter().any(|d| fold(&d.name) == *last) {
            let wanted = format!("/{}", steps.join("/"));
            found.retain(|d| format!("/{}", fold(&self.path(d))).ends_with(&wanted));
        }
        let mut places = HashSet::new();
        match found.iter().find(|d| !places.insert(d.place)) {
            _ if found.is_empty() => Err(self.missing(name)),
            None => Ok(found),
            Some(twice) => {
                let same: Vec<_> = found.iter().filter(|d| d.place == twice.place).collect();
                let mut paths: Vec<String> = same.iter().map(|d| self.path(d)).collect();
                paths.sort();
                paths.truncate(3);
                Err(BindError {
                    at: name.at,
                    mistake: Mistake::DepartmentTwice {
                        count: same.len(),
                        name: name.text.clone(),
                        paths,
                    },
                })
            }
        }
    }

    fn missing(&self, name: &super::Name) -> BindError {
        let known = self.by_id.values().map(|d| d.name.as_str());
        BindError {
            at: name.at,
            mistake: Mistake::NoDepartment {
                name: name.text.clone(),
                near: crate::config::nearest(&name.text, known).map(str::to_owned),
            },
        }
    }

    fn below(&self, top: &'d str, into: &mut HashSet<String>) {
        let mut open = vec![top];
        while let Some(id) = open.pop() {
            if into.insert(id.to_owned()) {
                open.extend(self.children.get(id).into_iter().flatten());
            }
        }
    }
}

fn node(expr: &Expr, tree: &Tree<'_>) -> Result<Node, BindError> {
    let list = |list: &[Expr]| list.iter().map(|e| node(e, tree)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::All(all) => Node::All(list(all)?),
        Expr::Any(any) => Node::Any(list(any)?),
        Expr::Not(inner) => Node::Not(Box::new(node(inner, tree)?)),
        Expr::Test(Test::Dept { names, below }) => {
            let mut ids = HashSet::new();
            for name in names {
                for dept in tree.find(name)? {
                    if *below {
                        // Two names may overlap: each is walked on its own.
                        let mut under = HashSet::new();
                        tree.below(&dept.id, &mut under);
                        ids.extend(under);
                    } else {
                        ids.insert(dept.id.clone());
                    }
                }
            }
            Node::Dept(ids)
        }
        Expr::Test(Test::Text { field, how, values }) => {
            Node::Text(*field, *how, values.iter().map(|v| fold(v)).collect())
        }
        Expr::Test(Test::Has { field, values }) => Node::Has(*field, values.iter().map(|v| fold(v)).collect()),
        Expr::Test(test) => Node::Other(test.clone()),
    })
}

impl Bound {
    /// Whether a person belongs to the segment.
    pub fn of(&self, facts: &Facts<'_>) -> Answer {
        self.node.of(facts)
    }
}

impl Node {
    fn of(&self, facts: &Facts<'_>) -> Answer {
        match self {
            Node::All(list) => {
                let mut answer = Answer::Yes;
                for node in list {
                    match node.of(facts) {
                        Answer::No => return Answer::No,
                        Answer::Unknown => answer = Answer::Unknown,
                        Answer::Yes => {}
                    }
                }
                answer
            }
            Node::Any(list) => {
                let mut answer = Answer::No;
                for node in list {
                    match node.of(facts) {
                        Answer::Yes => return Answer::Yes,
                        Answer::Unknown => answer = Answer::Unknown,
                        Answer::No => {}
                    }
                }
                answer
            }
            Node::Not(inner) => match inner.of(facts) {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                Answer::Unknown => Answer::Unknown,
            },
            Node::Dept(ids) => facts.departments.iter().any(|d| ids.contains(*d)).into(),
            Node::Text(field, how, values) => {
                let value = match field {
                    TextField::Title => facts.title,
                    TextField::Office => facts.office,
                    TextField::EmployeeNo => facts.employee_no,
                };
                let Some(value) = value.map(fold) else {
                    return Answer::Unknown;
                };
                match how {
                    How::Is => values.contains(&value).into(),
                    How::IsNot => (!values.contains(&value)).into(),
                    How::Contains => values.iter().any(|v| value.contains(v.as_str())).into(),
                }
            }
            Node::Has(field, values) => {
                let list = match field {
                    SetField::Tag => facts.tags,
                    SetField::Interest => facts.interests,
                    SetField::Platform => facts.platforms,
                };
                list.iter().any(|v| values.contains(&fold(v))).into()
            }
            Node::Other(test) => match test {
                Test::Number { field, is, value } => {
                    let known = match field {
                        NumberField::TenureDays => facts.tenure_days,
                        NumberField::Score => facts.score,
                        NumberField::Level => facts.level,
                    };
                    known.map_or(Answer::Unknown, |n| is.holds(n.cmp(value)).into())
                }
                Test::Activity { is, value } => facts
                    .activity
                    .map_or(Answer::Unknown, |a| is.holds(a.cmp(value)).into()),
                Test::Flag(Flag::Contractor) => facts.contractor.map_or(Answer::Unknown, Answer::from),
                Test::Flag(Flag::Leader) => facts.leader.map_or(Answer::Unknown, Answer::from),
                // Bound above.
                Test::Dept { .. } | Test::Text { .. } | Test::Has { .. } => Answer::Unknown,
            },
        }
    }
}
