//! The demo company: 石榴巷精密 (Pomegranate Lane Precision), a made-up maker of servo drives with
//! 126 people in seven departments. Headquarters work in Feishu, the plant in DingTalk, sales in
//! WeCom, and a few people have accounts on two platforms under the same employee number.
//!
//! Everything is deterministic: [`org`] is a platform's directory, [`groups`] the groups, and
//! [`history`] four weeks of talk as a script that [`Player`] plays on the simulators. Nobody in it
//! is real: names are put together by chance, addresses end in `.example`, and the mobile numbers
//! begin with digits that no network has.

mod dates;
mod dice;
mod groups;
mod history;
mod people;
mod scene;

pub use dates::{Date, minute_of_day, monday_to_friday};
pub use groups::GroupPlan;
pub use history::{HistoryStep, PlatformApps, Player, history};
pub use people::org;

/// The company's name.
pub const NAME: &str = "石榴巷精密";
/// Where its e-mail would go.
pub const DOMAIN: &str = "shiliuxiang.example";

/// All groups on all platforms, as they are before anybody has left or joined.
pub fn groups() -> Vec<GroupPlan> {
    groups::plans(&people::employees())
}
