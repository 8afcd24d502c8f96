//! The common language of Hutong: what a platform can tell us, what we can ask of it, and what
//! each application is able to do. Rules speak only this; adapters translate.
//!
//! Nothing here does I/O, reads a clock or draws a random number. Reading order:
//! [`ids`], [`event`], [`message`], [`effect`], [`outcome`], [`capability`], [`adapter`], [`link`].

pub mod adapter;
pub mod capability;
pub mod clock;
pub mod diagnose;
pub mod directory;
pub mod effect;
pub mod event;
pub mod ids;
pub mod link;
pub mod message;
pub mod outcome;
pub mod secret;
pub mod stats;

pub use adapter::{
    Adapter, Answer, BoxFuture, Build, BuildResult, Incoming, KeyKind, KeyProblem, KeySpec, PlatformEntry, RawRequest,
    Received, Rejection, SettingValue, Settings,
};
pub use capability::{Ability, Capabilities, Counts, LimitRule, LimitScope, Limits, SeeClass};
pub use clock::{Clock, ManualClock, Timestamp};
pub use diagnose::{Finding, FindingState};
pub use directory::{Day, DepartmentRecord, Employment, NotADay, Page, PersonRecord};
pub use effect::{Action, ActionKind, CalendarEntry, DeliveryClass, Prepared, RenderError, Target};
pub use event::{
    Attachment, AttachmentKind, Body, CardClick, ChatChange, ChatKind, ChatRef, Event, EventHead, Kind, Mention,
    MessageEvent, Segment, Sender, SenderKind,
};
pub use ids::{AppId, ChatId, CompanyId, DepartmentId, EventId, IdError, MessageId, Platform, UserId};
pub use link::{CloseReason, Endpoint, Frame, Link, LinkSession, LinkSpec, OpenError, Step};
pub use message::{
    Block, Button, ButtonStyle, Chart, ChartKind, Field, FieldKind, Form, Inline, MentionAllPermit, Message, Table,
};
pub use outcome::{CallError, FailedReceiver, Outcome, Receipt};
pub use secret::Secret;
pub use stats::{ChatRecord, StatRow, StatScope, StatSubject};
