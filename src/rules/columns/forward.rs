//! Other ways to send something in: a message forwarded to the bot in private, and a form.

use std::time::Duration;

use hutong_model::{
    Ability, AttachmentKind, Block, ButtonStyle, ChatKind, Event, Field, FieldKind, Form, Inline, Message,
    MessageEvent, MessageId, SenderKind,
};

use super::store::{self, NewItem};
use super::{ColumnsRule, Entry};
use crate::commands::{AnswerPlace, Asker, Click};
use crate::issues::File;
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::columns::Say;

/// Plain text of at least so many letters may be meant for a column; shorter is talk.
const WORTH_ASKING: usize = 20;
/// Columns to choose from: what a card on a phone holds.
const MOST_BUTTONS: usize = 4;
const LONGEST: usize = 500;
const VALID: Duration = Duration::from_secs(7 * 86_400);

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

fn files_of(message: &MessageEvent) -> Vec<File> {
    message
        .attachments
        .iter()
        .filter(|a| {
            matches!(
                a.kind,
                AttachmentKind::Image | AttachmentKind::File | AttachmentKind::Video
            )
        })
        .map(|a| File {
            name: match (&a.name, a.kind) {
                (Some(name), _) => name.chars().take(60).collect(),
                (None, AttachmentKind::Image) => "image".to_owned(),
                (None, _) => "file".to_owned(),
            },
            image: None,
        })
        .collect()
}

fn passed_on(message: &MessageEvent) -> bool {
    message.attachments.iter().any(|a| a.kind == AttachmentKind::Forwarded)
}

/// A private message that is no command and that may be meant for a column, or files that came with
/// a submission.
pub(super) fn is_for_us(message: &MessageEvent) -> bool {
    if message.chat.kind != ChatKind::Direct || message.sender.kind != SenderKind::Person {
        return false;
    }
    let text = message.text();
    let command = text.starts_with('/') || text.starts_with('/');
    match command {
        true => !files_of(message).is_empty(),
        false => passed_on(message) || !files_of(message).is_empty() || letters(&text) >= WORTH_ASKING,
    }
}

impl ColumnsRule {
    pub(super) async fn forwarded(
        &self,
        ctx: &mut Ctx,
        event: &Event,
        message: &MessageEvent,
    ) -> Result<(), RuleError> {
        let text = message.text();
        let files = serde_json::to_string(&files_of(message)).map_err(|e| RuleError::Fail(e.to_string()))?;
        if text.starts_with('/') || text.starts_with('/') {
            // The command has made its item in the same transaction.
            store::attach(ctx.tx(), &event.app, &message.message, &files).await?;
            return Ok(());
        }
        // A thank-you or another bare command with people in it is not a submission.
        if message.mentions().next().is_some() {
            return Ok(());
        }
        let Some(user) = &message.sender.user else {
            return Ok(());
        };
        let Some((company, platform)) = ctx
            .env()
            .app(&event.app)
            .map(|a| (a.company.clone(), a.adapter.platform()))
        else {
            return Ok(());
        };
        let now = ctx.now();
        let person = ctx
            .directory()
            .ensure_person(&company, platform, user, message.sender.name.as_deref(), now)
            .await?;
        let columns: Vec<_> = self
            .all(ctx.tx())
            .await?
            .into_iter()
            .filter(|e| e.column.enabled)
            .collect();
        let buttons = ctx.can(&event.app, Ability::ButtonsToUser);
        if columns.is_empty() || !buttons || (text.trim().is_empty() && files == "[]") {
            return Ok(());
        }
        let lang = person
            .language
            .as_deref()
            .and_then(Lang::parse)
            .unwrap_or(ctx.env().lang);
        let mut body: String = text.trim().chars().take(LONGEST).collect();
        if body.is_empty() {
            body = files_of(message).first().map(|f| f.name.clone()).unwrap_or_default();
        }
        let item = NewItem {
            column: "",
            cause: event.id.hex(),
            author: &person.id,
            body: &body,
            app: &event.app,
            message: Some(&message.message),
            files: &files,
            at: now,
        };
        let Some(id) = store::keep_forward(ctx.tx(), &item).await? else {
            return Ok(());
        };
        let mut choices = Vec::new();
        for entry in columns.iter().take(MOST_BUTTONS) {
            let args = vec![id.to_string(), entry.column.id.clone()];
            let label = entry.column.title.clone();
            choices.push(ctx.button(label, "into", args, ButtonStyle::Normal, Who::Only(&person.id), VALID)?);
        }
        let no = Say::NotASubmission.in_lang(lang);
        let args = vec![id.to_string(), String::new()];
        choices.push(ctx.button(no, "into", args, ButtonStyle::Normal, Who::Only(&person.id), VALID)?);
        let card = Message::card(Say::WhichColumn.in_lang(lang))
            .block(Block::Quote(vec![Inline::Text(body.chars().take(80).collect())]))
            .buttons(choices);
        let asker = Asker {
            person,
            app: event.app.clone(),
            user: user.clone(),
            lang,
            chat: Some(message.chat.clone()),
            message: Some(message.message.clone()),
            reply_context: message.reply_context.clone(),
        };
        ctx.answer(&asker, AnswerPlace::Private, card)
    }

    /// The author has said which column.
    pub(super) async fn forward_into(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let id = click.args.first().and_then(|a| a.parse().ok()).unwrap_or(0);
        let column = click.args.get(1).cloned().unwrap_or_default();
        let taken = store::take_forward(ctx.tx(), id).await?;
        let Some(forward) = taken.filter(|f| f.person == click.asker.person.id.as_str()) else {
            return self.reply(ctx, &click.asker, &Say::AlreadyDecided { id });
        };
        if column.is_empty() {
            return self.reply(ctx, &click.asker, &Say::LeftAlone);
        }
        match self.entry(ctx.tx(), &column).await? {
            Some(entry) => {
                let (body, files) = (forward.body, forward.files);
                self.take_in(ctx, &click.asker, &entry, &body, &files, forward.message.as_ref())
                    .await
            }
            None => self.reply(ctx, &click.asker, &Say::LeftAlone),
        }
    }

    /// A form where the app has forms, else what to type.
    pub(super) async fn ask_for_text(&self, ctx: &mut Ctx, asker: &Asker) -> Result<(), RuleError> {
        let columns: Vec<_> = self
            .all(ctx.tx())
            .await?
            .into_iter()
            .filter(|e| e.column.enabled)
            .collect();
        let lang = asker.lang;
        let titles: Vec<&str> = columns.iter().map(|e| e.column.title.as_str()).collect();
        if titles.is_empty() {
            return self.reply(ctx, asker, &Say::ListEmpty);
        }
        if !ctx.can(&asker.app, Ability::Forms) {
            return self.reply(ctx, asker, &Say::HowToSubmit { titles: &titles });
        }
        let choices = columns
            .iter()
            .map(|e| (e.column.id.clone(), e.column.title.clone()))
            .collect();
        let submit = Say::Write.in_lang(lang);
        let form = Form {
            fields: vec![
                Field {
                    name: "column".to_owned(),
                    label: Say::FieldColumn.in_lang(lang),
                    kind: FieldKind::Select(choices),
                    required: true,
                },
                Field {
                    name: "text".to_owned(),
                    label: Say::FieldText.in_lang(lang),
                    kind: FieldKind::Text {
                        max_chars: 500,
                        multiline: true,
                    },
                    required: true,
                },
            ],
            submit: ctx.button(
                submit,
                "form",
                Vec::new(),
                ButtonStyle::Primary,
                Who::Only(&asker.person.id),
                VALID,
            )?,
        };
        let card = Message::card(Say::FormTitle.in_lang(lang)).block(Block::Form(form));
        ctx.answer(asker, AnswerPlace::Private, card)
    }

    pub(super) async fn form_sent(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let value = |name: &str| {
            click
                .values
                .get(name)
                .and_then(|v| v.first())
                .cloned()
                .unwrap_or_default()
        };
        let (column, body) = (value("column"), value("text"));
        match self.named(ctx.tx(), &column).await? {
            Some(entry) => self.take_in(ctx, &click.asker, &entry, &body, "[]", None).await,
            None => self.ask_for_text(ctx, &click.asker).await,
        }
    }

    pub(super) fn reply(&self, ctx: &mut Ctx, asker: &Asker, say: &Say<'_>) -> Result<(), RuleError> {
        ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(asker.lang)))
    }

    /// A submission, however it came.
    pub(super) async fn take_in(
        &self,
        ctx: &mut Ctx,
        asker: &Asker,
        entry: &Entry,
        body: &str,
        files: &str,
        message: Option<&MessageId>,
    ) -> Result<(), RuleError> {
        let column = &entry.column;
        let body: String = body.trim().chars().take(LONGEST).collect();
        if letters(&body) < super::edit::SHORTEST && files == "[]" {
            return self.reply(ctx, asker, &Say::TooShort);
        }
        let author = &asker.person;
        // Two messages at once must not pass the limit together.
        ctx.tx().lock(&format!("column submit {}", author.id)).await?;
        if store::pending_of(ctx.tx(), &column.id, &author.id).await? >= super::edit::MOST_PENDING {
            let most = super::edit::MOST_PENDING;
            return self.reply(ctx, asker, &Say::TooMany { most });
        }
        let item = NewItem {
            column: &column.id,
            cause: ctx.event_id().hex(),
            author: &author.id,
            body: &body,
            app: &asker.app,
            message: message.or(asker.message.as_ref()),
            files,
            at: ctx.now(),
        };
        if !store::submit(ctx.tx(), &item).await? {
            return Ok(());
        }
        let mine = store::items(ctx.tx(), &column.id, "pending", i64::MAX).await?;
        let id = mine.iter().rev().find(|i| i.author == author.id).map_or(0, |i| i.id);
        let lang = ctx.env().lang;
        let title = column.title.as_str();
        let author = author.name.as_str();
        let card = Message::card(Say::SubmittedTitle { title, author }.in_lang(lang))
            .block(Block::Quote(vec![Inline::Text(body)]))
            .note(Say::SubmittedNote { id }.in_lang(lang));
        self.to_editors(ctx, entry, "submitted", &card).await?;
        self.reply(ctx, asker, &Say::Submitted { title })
    }
}
