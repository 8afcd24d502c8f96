//! What commands are called and how they are explained, in both languages.

/// Names and help of one command.
#[derive(Debug, Clone, Copy)]
pub struct CommandText {
    /// The id that code uses, `rule.verb`.
    pub id: &'static str,
    /// Names without the slash; the first of each is shown in help.
    pub zh: &'static [&'static str],
    pub en: &'static [&'static str],
    /// What it does, one line.
    pub about_zh: &'static str,
    pub about_en: &'static str,
    /// Usage, one or two example lines, without the mention of the bot.
    pub usage_zh: &'static str,
    pub usage_en: &'static str,
}

/// All commands of the program, in the order of the help.
pub const ALL: &[CommandText] = &[];

/// The texts of a command id.
pub fn of(id: &str) -> Option<&'static CommandText> {
    ALL.iter().find(|c| c.id == id)
}
