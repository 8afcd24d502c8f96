//! From text to tree. Recursive descent over a small lexer; bounded in length, depth and size.

use super::{
    Activity, Compare, Expr, Flag, How, MAX_BYTES, MAX_DEPTH, MAX_TESTS, Name, NumberField, SetField, Test, TextField,
};
use crate::text::Lang;
use crate::text::condition::{Found, Mistake, Wanted};

/// Where a condition is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {}", .at + 1, .mistake.what(Lang::En))]
pub struct ParseError {
    /// In characters from the beginning, the first is 0.
    pub at: usize,
    pub mistake: Mistake,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// In quotes; the value without them.
    Quoted(String),
    Number(i64),
    Compare(Compare),
    Open,
    Close,
    Comma,
    End,
}

struct Lexed {
    token: Token,
    /// Byte offset.
    at: usize,
}

const FIELDS: [&str; 12] = [
    "dept",
    "title",
    "office",
    "employee_no",
    "tag",
    "interest",
    "platform",
    "tenure_days",
    "score",
    "level",
    "activity",
    "contractor",
];

/// Reads a condition.
///
/// Limits: [`MAX_BYTES`], [`MAX_DEPTH`], [`MAX_TESTS`].
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError {
            at: 0,
            mistake: Mistake::TooLong {
                bytes: text.len(),
                most: MAX_BYTES,
            },
        });
    }
    let tokens = lex(text)?;
    let mut parser = Parser {
        text,
        tokens,
        next: 0,
        depth: 0,
        tests: 0,
    };
    let expr = parser.any()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected(Wanted::AndOrEnd)),
    }
}

fn error(text: &str, at: usize, mistake: Mistake) -> ParseError {
    ParseError {
        at: characters(text, at),
        mistake,
    }
}

/// The place of a byte, in characters: that is how people count.
fn characters(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or(0, |before| before.chars().count())
}

/// The quote that ends what this one begins.
fn closing(open: char) -> Option<char> {
    Some(match open {
        '\'' => '\'',
        '"' => '"',
        '「' => '」',
        '『' => '』',
        '“' | '”' => '”',
        '‘' | '’' => '’',
        _ => return None,
    })
}

fn lex(text: &str) -> Result<Vec<Lexed>, ParseError> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let two = chars.peek().map(|(_, c)| *c);
        let token = match (c, two) {
            ('(' | '（', _) => Token::Open,
            (')' | '）', _) => Token::Close,
            (',' | '，' | '、', _) => Token::Comma,
            ('<', Some('=')) | ('>', Some('=')) | ('!', Some('=')) | ('=', Some('=')) | ('<', Some('>')) => {
                chars.next();
                Token::Compare(match (c, two) {
                    ('<', Some('=')) => Compare::AtMost,
                    ('>', _) => Compare::AtLeast,
                    ('=', _) => Compare::Equal,
                    _ => Compare::NotEqual,
                })
            }
            ('<', _) => Token::Compare(Compare::Less),
            ('>', _) => Token::Compare(Compare::More),
            ('=', _) => Token::Compare(Compare::Equal),
            ('≤', _) => Token::Compare(Compare::AtMost),
            ('≥', _) => Token::Compare(Compare::AtLeast),
            ('≠', _) => Token::Compare(Compare::NotEqual),
            _ if closing(c).is_some() => {
                let end = closing(c).unwrap_or(c);
                let mut value = String::new();
                loop {
                    match chars.next() {
                        Some((_, c)) if c == end => break,
                        Some((_, c)) if !c.is_control() => value.push(c),
                        Some((at, _)) => {
                            return Err(error(text, at, Mistake::Control));
                        }
                        None => {
                            return Err(error(text, at, Mistake::OpenQuote(end)));
                        }
                    }
                }
                if value.trim().is_empty() {
                    return Err(error(text, at, Mistake::EmptyQuotes));
                }
                Token::Quoted(value.trim().to_owned())
            }
            _ if c.is_ascii_digit() || c == '-' && two.is_some_and(|c| c.is_ascii_digit()) => {
                let mut digits = String::from(c);
                while let Some((_, d)) = chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
                    digits.push(d);
                }
                match digits.parse() {
                    Ok(number) => Token::Number(number),
                    Err(_) => {
                        return Err(error(text, at, Mistake::NotWhole(digits)));
                    }
                }
            }
            _ if c.is_alphabetic() || c == '_' => {
                let mut word = String::from(c);
                while let Some((_, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                Token::Word(word)
            }
            _ => {
                return Err(error(text, at, Mistake::NoMeaning(c)));
            }
        };
        tokens.push(Lexed { token, at });
    }
    tokens.push(Lexed {
        token: Token::End,
        at: text.len(),
    });
    Ok(tokens)
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Lexed>,
    next: usize,
    depth: usize,
    tests: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |l| &l.token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |l| l.at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.next += 1;
        }
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(w) if w.eq_ignore_ascii_case(word));
        if found {
            self.next += 1;
        }
        found
    }

    fn fail<T>(&self, at: usize, mistake: Mistake) -> Result<T, ParseError> {
        Err(error(self.text, at, mistake))
    }

    fn unexpected(&self, wanted: Wanted) -> ParseError {
        let found = match self.peek() {
            Token::End => Found::End,
            Token::Word(word) => Found::Word(word.clone()),
            Token::Quoted(value) => Found::Quoted(value.clone()),
            Token::Number(number) => Found::Number(*number),
            Token::Compare(_) => Found::Comparison,
            Token::Open => Found::Sign('('),
            Token::Close => Found::Sign(')'),
            Token::Comma => Found::Sign(','),
        };
        error(self.text, self.at(), Mistake::Unexpected { found, wanted })
    }

    fn any(&mut self) -> Result<Expr, ParseError> {
        let mut list = vec![self.all()?];
        while self.take_word("or") {
            list.push(self.all()?);
        }
        Ok(joined(list, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, ParseError> {
        let mut list = vec![self.one()?];
        while self.take_word("and") {
            list.push(self.one()?);
        }
        Ok(joined(list, Expr::All))
    }

    fn one(&mut self) -> Result<Expr, ParseError> {
        let at = self.at();
        let negated = self.take_word("not");
        if !negated && *self.peek() != Token::Open {
            return self.test().map(Expr::Test);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(at, Mistake::TooDeep { most: MAX_DEPTH });
        }
        let expr = if negated {
            Expr::Not(Box::new(self.one()?))
        } else {
            self.next += 1;
            let inner = self.any()?;
            if self.take() != Token::Close {
                self.next = self.next.saturating_sub(usize::from(*self.peek() != Token::End));
                return self.fail(at, Mistake::OpenParenthesis);
            }
            inner
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn test(&mut self) -> Result<Test, ParseError> {
        let at = self.at();
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return self.fail(at, Mistake::TooMany { most: MAX_TESTS });
        }
        let Token::Word(word) = self.peek().clone() else {
            return Err(self.unexpected(Wanted::Field));
        };
        self.next += 1;
        match word.to_ascii_lowercase().as_str() {
            "dept" => self.dept(),
            "title" => self.text_test(TextField::Title),
            "office" => self.text_test(TextField::Office),
            "employee_no" => self.text_test(TextField::EmployeeNo),
            "tag" => self.has(SetField::Tag),
            "interest" => self.has(SetField::Interest),
            "platform" => self.platform(),
            "tenure_days" => self.number(NumberField::TenureDays),
            "score" => self.number(NumberField::Score),
            "level" => self.number(NumberField::Level),
            "activity" => self.activity(),
            "contractor" => Ok(Test::Flag(Flag::Contractor)),
            "leader" => Ok(Test::Flag(Flag::Leader)),
            _ => {
                let known = FIELDS.into_iter().chain(["leader"]);
                let begun = known.clone().find(|k| k.starts_with(&word.to_ascii_lowercase()));
                let near = crate::config::nearest(&word, known.clone()).or(begun);
                let mistake = Mistake::NoField {
                    near: near.map(str::to_owned),
                    known: known.collect::<Vec<_>>().join(", "),
                    word,
                };
                self.fail(at, mistake)
            }
        }
    }

    /// `'a'`, or `('a', 'b')` when `in` or `under` came before.
    fn values(&mut self, list: bool) -> Result<Vec<(String, usize)>, ParseError> {
        if list && *self.peek() == Token::Open {
            let at = self.at();
            self.next += 1;
            let mut values = vec![self.value()?];
            loop {
                match self.peek() {
                    Token::Comma => {
                        self.next += 1;
                        values.push(self.value()?);
                    }
                    Token::Close => {
                        self.next += 1;
                        return Ok(values);
                    }
                    Token::End => return self.fail(at, Mistake::OpenParenthesis),
                    _ => return Err(self.unexpected(Wanted::CommaOrClose)),
                }
            }
        }
        Ok(vec![self.value()?])
    }

    fn value(&mut self) -> Result<(String, usize), ParseError> {
        let at = self.at();
        match self.peek().clone() {
            Token::Quoted(value) => {
                self.next += 1;
                Ok((value, at))
            }
            _ => Err(self.unexpected(Wanted::Name)),
        }
    }

    fn dept(&mut self) -> Result<Test, ParseError> {
        let (below, list) = if self.take_word("under") {
            (true, true)
        } else if self.take_word("in") {
            (false, true)
        } else if self.take_word("is")
            || matches!(self.peek(), Token::Compare(Compare::Equal)) && self.take() != Token::End
        {
            (false, false)
        } else {
            return Err(self.unexpected(Wanted::DeptTest));
        };
        let names = self.values(list)?;
        Ok(Test::Dept {
            names: names
                .into_iter()
                .map(|(text, at)| Name {
                    text,
                    at: characters(self.text, at),
                })
                .collect(),
            below,
        })
    }

    fn text_test(&mut self, field: TextField) -> Result<Test, ParseError> {
        let (how, list) = if self.take_word("contains") {
            (How::Contains, false)
        } else if self.take_word("in") {
            (How::Is, true)
        } else if self.take_word("is") {
            match self.take_word("not") {
                true => (How::IsNot, false),
                false => (How::Is, false),
            }
        } else {
            match self.peek() {
                Token::Compare(Compare::Equal) => {
                    self.next += 1;
                    (How::Is, false)
                }
                Token::Compare(Compare::NotEqual) => {
                    self.next += 1;
                    (How::IsNot, false)
                }
                _ => return Err(self.unexpected(Wanted::TextTest)),
            }
        };
        let values = self.values(list)?;
        Ok(Test::Text {
            field,
            how,
            values: values.into_iter().map(|(v, _)| v).collect(),
        })
    }

    fn has(&mut self, field: SetField) -> Result<Test, ParseError> {
        let list = self.take_word("in");
        if !list && !self.take_word("is") && matches!(self.peek(), Token::Compare(Compare::Equal)) {
            self.next += 1;
        }
        let values = self.values(list)?;
        Ok(Test::Has {
            field,
            values: values.into_iter().map(|(v, _)| v).collect(),
        })
    }

    fn platform(&mut self) -> Result<Test, ParseError> {
        const KNOWN: [&str; 3] = ["feishu", "dingtalk", "wecom"];
        let at = self.at();
        let test = self.has(SetField::Platform)?;
        if let Test::Has { values, .. } = &test
            && let Some(unknown) = values.iter().find(|v| !KNOWN.contains(&v.as_str()))
        {
            let mistake = Mistake::NoPlatform {
                word: unknown.clone(),
                known: KNOWN.join(", "),
            };
            return self.fail(at, mistake);
        }
        Ok(test)
    }

    fn compare(&mut self) -> Result<Compare, ParseError> {
        match self.peek() {
            Token::Compare(compare) => {
                let compare = *compare;
                self.next += 1;
                Ok(compare)
            }
            Token::Word(word) if word.eq_ignore_ascii_case("is") => {
                self.next += 1;
                Ok(Compare::Equal)
            }
            _ => Err(self.unexpected(Wanted::Comparison)),
        }
    }

    fn number(&mut self, field: NumberField) -> Result<Test, ParseError> {
        let is = self.compare()?;
        match self.peek() {
            Token::Number(value) => {
                let value = *value;
                self.next += 1;
                Ok(Test::Number { field, is, value })
            }
            _ => Err(self.unexpected(Wanted::WholeNumber)),
        }
    }

    fn activity(&mut self) -> Result<Test, ParseError> {
        let is = self.compare()?;
        let at = self.at();
        let word = match self.peek().clone() {
            Token::Quoted(word) | Token::Word(word) => word,
            _ => return Err(self.unexpected(Wanted::Activity)),
        };
        match Activity::ALL
            .into_iter()
            .find(|a| a.as_str().eq_ignore_ascii_case(&word))
        {
            Some(value) => {
                self.next += 1;
                Ok(Test::Activity { is, value })
            }
            None => self.fail(
                at,
                Mistake::NoActivity {
                    word,
                    known: Activity::ALL.map(Activity::as_str).join(", "),
                },
            ),
        }
    }
}

fn joined(mut list: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (list.len(), list.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            list.extend(last);
            join(list)
        }
    }
}
