//! What is wrong with a condition about people (`[[segment]]`, `/分层 查询`), and what would be right.

use super::Lang;

/// What may stand at a place of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    AndOrEnd,
    Field,
    CommaOrClose,
    Name,
    DeptTest,
    TextTest,
    Comparison,
    WholeNumber,
    Activity,
}

/// What stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    End,
    Word(String),
    Quoted(String),
    Number(i64),
    Comparison,
    Sign(char),
}

/// One kind of mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    TooLong {
        bytes: usize,
        most: usize,
    },
    TooDeep {
        most: usize,
    },
    TooMany {
        most: usize,
    },
    Control,
    OpenQuote(char),
    EmptyQuotes,
    NotWhole(String),
    NoMeaning(char),
    Unexpected {
        found: Found,
        wanted: Wanted,
    },
    OpenParenthesis,
    NoField {
        word: String,
        near: Option<String>,
        known: String,
    },
    NoPlatform {
        word: String,
        known: String,
    },
    NoActivity {
        word: String,
        known: String,
    },
    NoDepartment {
        name: String,
        near: Option<String>,
    },
    DepartmentTwice {
        count: usize,
        name: String,
        paths: Vec<String>,
    },
}

impl Mistake {
    /// What is wrong.
    pub fn what(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.what_zh(),
            Lang::En => self.what_en(),
        }
    }

    /// What would be right: a sentence of its own.
    pub fn hint(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.hint_zh(),
            Lang::En => self.hint_en(),
        }
    }

    fn what_en(&self) -> String {
        match self {
            Mistake::TooLong { bytes, .. } => format!("the condition has {bytes} bytes"),
            Mistake::TooDeep { .. } => "nested too deeply".to_owned(),
            Mistake::TooMany { .. } => "too many tests".to_owned(),
            Mistake::Control => "a control character inside quotes".to_owned(),
            Mistake::OpenQuote(_) => "this quote is never closed".to_owned(),
            Mistake::EmptyQuotes => "nothing between the quotes".to_owned(),
            Mistake::NotWhole(digits) => format!("{digits} is not a whole number"),
            Mistake::NoMeaning(c) => format!("{c:?} has no meaning here"),
            Mistake::Unexpected { found, .. } => match found {
                Found::End => "the condition ends here".to_owned(),
                Found::Word(word) => format!("{word} cannot stand here"),
                Found::Quoted(value) => format!("'{value}' cannot stand here"),
                Found::Number(number) => format!("{number} cannot stand here"),
                Found::Comparison => "a comparison cannot stand here".to_owned(),
                Found::Sign(',') => "a comma cannot stand here".to_owned(),
                Found::Sign(c) => format!("{c} cannot stand here"),
            },
            Mistake::OpenParenthesis => "this parenthesis is never closed".to_owned(),
            Mistake::NoField { word, .. } => format!("there is no field {word}"),
            Mistake::NoPlatform { word, .. } => format!("there is no platform '{word}'"),
            Mistake::NoActivity { word, .. } => format!("there is no activity '{word}'"),
            Mistake::NoDepartment { name, .. } => format!("there is no department '{name}'"),
            Mistake::DepartmentTwice { count, name, .. } => format!("{count} departments are called '{name}'"),
        }
    }

    fn hint_en(&self) -> String {
        match self {
            Mistake::TooLong { most, .. } | Mistake::TooMany { most } => format!("at most {most}"),
            Mistake::TooDeep { most } => format!("at most {most} levels"),
            Mistake::Control => "remove it".to_owned(),
            Mistake::OpenQuote(end) => format!("close it with {end}"),
            Mistake::EmptyQuotes => "name what is meant".to_owned(),
            Mistake::NotWhole(_) => "write digits only, for example 90; names stand in quotes".to_owned(),
            Mistake::NoMeaning(_) => {
                "a condition consists of fields, comparisons, names in quotes, and, or, not and parentheses".to_owned()
            }
            Mistake::Unexpected { wanted, .. } => {
                let wanted = match wanted {
                    Wanted::AndOrEnd => "`and`, `or` or the end",
                    Wanted::Field => "a field such as dept, title, tag, tenure_days or activity",
                    Wanted::CommaOrClose => "a comma or )",
                    Wanted::Name => "a name in quotes, for example '研发中心'",
                    Wanted::DeptTest => "under, is or in: dept under '研发中心' also means the departments below it",
                    Wanted::TextTest => "is, is not, in or contains",
                    Wanted::Comparison => "one of < <= = != >= >",
                    Wanted::WholeNumber => "a whole number",
                    Wanted::Activity => "none, reached, interactive or contributing",
                };
                format!("expected {wanted}")
            }
            Mistake::OpenParenthesis => "close it with )".to_owned(),
            Mistake::NoField { near, known, .. } => match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known fields: {known}"),
            },
            Mistake::NoPlatform { known, .. } => format!("known: {known}"),
            Mistake::NoActivity { known, .. } => format!("known, from least to most: {known}"),
            Mistake::NoDepartment { near: Some(near), .. } => format!("did you mean '{near}'?"),
            Mistake::NoDepartment { near: None, .. } => {
                "it must stand in the directory as the app sees it; after a rename, write the new name".to_owned()
            }
            Mistake::DepartmentTwice { paths, .. } => {
                format!("write the path, for example '{}'", paths.join("' or '"))
            }
        }
    }

    fn what_zh(&self) -> String {
        match self {
            Mistake::TooLong { bytes, .. } => format!("条件太长,有 {bytes} 字节"),
            Mistake::TooDeep { .. } => "括号或 not 套得太深".to_owned(),
            Mistake::TooMany { .. } => "判断太多".to_owned(),
            Mistake::Control => "引号里有控制字符".to_owned(),
            Mistake::OpenQuote(_) => "这个引号没有收尾".to_owned(),
            Mistake::EmptyQuotes => "引号里什么也没有".to_owned(),
            Mistake::NotWhole(digits) => format!("{digits} 不是整数"),
            Mistake::NoMeaning(c) => format!("「{c}」在条件里没有意思"),
            Mistake::Unexpected { found, .. } => match found {
                Found::End => "条件到这里就结束了".to_owned(),
                Found::Word(word) => format!("这里不能写 {word}"),
                Found::Quoted(value) => format!("这里不能写「{value}」"),
                Found::Number(number) => format!("这里不能写 {number}"),
                Found::Comparison => "这里不能写比较符号".to_owned(),
                Found::Sign(',') => "这里不能写逗号".to_owned(),
                Found::Sign(c) => format!("这里不能写 {c}"),
            },
            Mistake::OpenParenthesis => "这个括号没有收尾".to_owned(),
            Mistake::NoField { word, .. } => format!("没有 {word} 这个字段"),
            Mistake::NoPlatform { word, .. } => format!("没有「{word}」这个平台"),
            Mistake::NoActivity { word, .. } => format!("没有「{word}」这个活跃程度"),
            Mistake::NoDepartment { name, .. } => format!("通讯录里没有部门「{name}」"),
            Mistake::DepartmentTwice { count, name, .. } => format!("叫「{name}」的部门有 {count} 个"),
        }
    }

    fn hint_zh(&self) -> String {
        match self {
            Mistake::TooLong { most, .. } => format!("最多 {most} 字节"),
            Mistake::TooMany { most } => format!("最多 {most} 个"),
            Mistake::TooDeep { most } => format!("最多 {most} 层"),
            Mistake::Control => "请去掉它".to_owned(),
            Mistake::OpenQuote(end) => format!("请用 {end} 收尾"),
            Mistake::EmptyQuotes => "请写上名称".to_owned(),
            Mistake::NotWhole(_) => "只写数字,例如 90;名称要加引号".to_owned(),
            Mistake::NoMeaning(_) => "条件由字段、比较、引号里的名称、and、or、not 和括号组成".to_owned(),
            Mistake::Unexpected { wanted, .. } => {
                let wanted = match wanted {
                    Wanted::AndOrEnd => "and、or,或者到此结束",
                    Wanted::Field => "一个字段,例如 dept、title、tag、tenure_days、activity",
                    Wanted::CommaOrClose => "逗号或 )",
                    Wanted::Name => "引号里的名称,例如 '研发中心'",
                    Wanted::DeptTest => "under、is 或 in:dept under '研发中心' 也包括下级部门",
                    Wanted::TextTest => "is、is not、in 或 contains",
                    Wanted::Comparison => "< <= = != >= > 之一",
                    Wanted::WholeNumber => "一个整数",
                    Wanted::Activity => "none、reached、interactive 或 contributing",
                };
                format!("这里应该写:{wanted}")
            }
            Mistake::OpenParenthesis => "请用 ) 收尾".to_owned(),
            Mistake::NoField { near, known, .. } => match near {
                Some(near) => format!("是不是 {near}?"),
                None => format!("可用的字段:{known}"),
            },
            Mistake::NoPlatform { known, .. } => format!("可用:{known}"),
            Mistake::NoActivity { known, .. } => format!("从少到多:{known}"),
            Mistake::NoDepartment { near: Some(near), .. } => format!("是不是「{near}」?"),
            Mistake::NoDepartment { near: None, .. } => "部门名要和通讯录一致;改过名就写新名字".to_owned(),
            Mistake::DepartmentTwice { paths, .. } => format!("请写全路径,例如「{}」", paths.join("」或「")),
        }
    }
}
