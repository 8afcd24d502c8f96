//! What the bot says about itself.

use super::Lang;

/// One thing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    AskMePrivately,
}

impl Say {
    pub fn in_lang(self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => self.en(),
        }
    }

    fn zh(self) -> String {
        match self {
            Say::AskMePrivately => "这个只能私下告诉你,请在和我的单聊里再发一次。".to_owned(),
        }
    }

    fn en(self) -> String {
        match self {
            Say::AskMePrivately => "This is for your eyes only: please ask me again in our private chat.".to_owned(),
        }
    }
}
