//! The sections of the service itself: where it listens, where it stores, how long it keeps.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use hutong_model::{CompanyId, Secret};

use crate::schedule::WorkdayTable;

use super::app::parse_url;
use super::field::{Wrong, quoted};
use super::reader::Reader;
use super::section::Section;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    /// The address at which people and platforms reach this server, without a slash at the end.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxy: Vec<Network>,
    pub metrics: MetricsFor,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFor {
    Nobody,
    /// Programs on this machine, and not through a proxy.
    Loopback,
    /// Whoever reaches the server: put something in front of it.
    Anybody,
}

impl Section for Server {
    const NAME: &'static str = "server";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let listen = reader.text("listen").parse(|text| {
            text.parse::<SocketAddr>().map_err(|_| {
                let hint = "write an IP address and a port, for example \"127.0.0.1:8080\" or \"[::]:8080\"";
                Wrong::new(format!("{} is not an address to listen on", quoted(&text)), hint)
            })
        });
        let listen = listen.get();
        let public_url = reader.text("public_url").parse(public_url).maybe();
        let trusted_proxy = reader.list("trusted_proxy").each(|text| Network::parse(&text)).get();
        let metrics = reader
            .text("metrics")
            .one_of(&[
                ("loopback", MetricsFor::Loopback),
                ("off", MetricsFor::Nobody),
                ("any", MetricsFor::Anybody),
            ])
            .get();
        Some(Self {
            listen: listen?,
            public_url,
            trusted_proxy: trusted_proxy?,
            metrics: metrics?,
        })
    }
}

fn public_url(text: String) -> Result<String, Wrong> {
    let hint = "write for example \"https://bot.example.com\"";
    match parse_url(&text) {
        Ok(url) if url.https || url.loopback => Ok(text.trim_end_matches('/').to_owned()),
        Ok(_) => Err(Wrong::new(
            "http is for this machine only, pages carry personal data",
            hint,
        )),
        Err(why) => Err(Wrong::new(format!("this is not a public address: {why}"), hint)),
    }
}

/// A block of addresses: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(
                format!("{} is not an address or network", quoted(text)),
                "write for example \"127.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\"",
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse::<u32>().ok().filter(|n| *n <= most).ok_or_else(wrong)?,
        };
        Ok(Self { address, bits })
    }

    pub fn contains(&self, other: IpAddr) -> bool {
        fn same(a: u128, b: u128, width: u32, bits: u32) -> bool {
            bits == 0 || (a ^ b) >> (width - bits) == 0
        }
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32, self.bits),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128, self.bits),
            _ => false,
        }
    }
}

/// `[store]`
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    pub kind: StoreKind,
    /// May hold a password.
    pub url: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    Sqlite,
    Postgres,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.shown())
    }
}

impl Store {
    fn parse(url: Secret) -> Result<Self, Wrong> {
        let kind = match url.expose().split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => StoreKind::Sqlite,
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => StoreKind::Postgres,
            _ => {
                return Err(Wrong::new(
                    "this is not the address of a database",
                    "write \"sqlite://PATH\" or \"postgres://USER@HOST/DATABASE\"",
                ));
            }
        };
        Ok(Self { kind, url })
    }

    /// The address without user, password and parameters.
    pub fn shown(&self) -> String {
        let Some((scheme, rest)) = self.url.expose().split_once("://") else {
            return "****".to_owned();
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        match (self.kind, rest.rsplit_once('@')) {
            (StoreKind::Postgres, Some((_, place))) => format!("{scheme}://****@{place}"),
            _ => format!("{scheme}://{rest}"),
        }
    }
}

impl Section for Store {
    const NAME: &'static str = "store";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.has_table("url") {
            return reader.secret("url", false).parse(Store::parse).get();
        }
        let literal = reader.text("url").parse(|text| {
            // `user:password@` before the host, or `password=` among the parameters.
            let login = text
                .split_once("://")
                .and_then(|(_, rest)| rest.rsplit_once('@'))
                .map(|(login, _)| login);
            match login.is_some_and(|login| login.contains(':')) || text.contains("password=") {
                true => Err(Wrong::new(
                    "the password is written into the file",
                    "write url = { env = \"DATABASE_URL\" } or { file = \"PATH\" }",
                )),
                false => Store::parse(Secret::new(text)),
            }
        });
        literal.get()
    }
}

/// `[company]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// The apps of one company share one directory.
    pub id: CompanyId,
    pub name: String,
    /// The zone of days, weeks and schedules unless a section names another one.
    pub zone: Tz,
    pub language: Language,
}

/// The language the bot begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Chinese,
    English,
}

impl Section for Company {
    const NAME: &'static str = "company";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = reader.text("id").parse(|text| Ok(CompanyId::new(text)?)).get();
        let name = reader.text("name").length(1..=60).get();
        let zone = reader.zone("zone").get();
        let language = reader
            .text("language")
            .one_of(&[("zh", Language::Chinese), ("en", Language::English)])
            .get();
        Some(Self {
            id: id?,
            name: name?,
            zone: zone?,
            language: language?,
        })
    }
}

/// `[log]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Section for Log {
    const NAME: &'static str = "log";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        let levels = [Error, Warn, Info, Debug, Trace].map(|level| (level.as_str(), level));
        let level = reader.text("level").one_of(&levels).get();
        let format = reader
            .text("format")
            .one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
            .get();
        Some(Self {
            level: level?,
            format: format?,
        })
    }
}

/// `[limits]`: where the service protects itself and people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest callback taken, in bytes.
    pub body_bytes: usize,
    /// Callbacks in flight together, in bytes; above, the platform is asked to repeat.
    pub in_flight_bytes: usize,
    /// An older command is not run: the person has moved on.
    pub command_max_age: Duration,
    /// An older message counts for nothing any more.
    pub event_max_age: Duration,
    /// Messages of its own accord that the bot writes into one chat on one day.
    pub bot_messages_per_day: u32,
    /// A plan that removes more people needs a second operator.
    pub group_remove_people: u32,
    /// The same in percent of a group.
    pub group_remove_percent: u8,
}

impl Section for Limits {
    const NAME: &'static str = "limits";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let body = reader
            .integer("body_kib")
            .range(16..=8_192_usize)
            .map(|n| n * 1_024)
            .get();
        let in_flight = reader
            .integer("in_flight_mib")
            .range(1..=1_024_usize)
            .map(|n| n * 1_024 * 1_024)
            .get();
        let command = reader.duration("command_max_age").range(MINUTE..=DAY).get();
        let event = reader.duration("event_max_age").range(HOUR..=30 * DAY).get();
        let messages = reader.integer("bot_messages_per_day").range(0..=100).get();
        let people = reader.integer("group_remove_people").range(0..=10_000).get();
        let percent = reader.integer("group_remove_percent").range(0..=100).get();
        let (body_bytes, in_flight_bytes) = (body?, in_flight?);
        if body_bytes > in_flight_bytes {
            let what = "one callback of the largest size does not fit";
            reader.wrong("in_flight_mib", Wrong::new(what, "make it larger, or body_kib smaller"));
            return None;
        }
        Some(Self {
            body_bytes,
            in_flight_bytes,
            command_max_age: command?,
            event_max_age: event?,
            bot_messages_per_day: messages?,
            group_remove_people: people?,
            group_remove_percent: percent?,
        })
    }
}

/// `[retention]`: how long rows are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Keys against repeats; longer than any platform repeats and any callback is accepted.
    pub dedupe: Duration,
    /// Events without text: id, kind, time.
    pub inbox: Duration,
    /// Bodies of sent messages after the final state.
    pub outbox: Duration,
    /// Who did what with the bot.
    pub audit: Duration,
    /// People and departments that are gone from the platform.
    pub mirror: Duration,
    pub backup: Duration,
}

impl Section for Retention {
    const NAME: &'static str = "retention";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let dedupe = reader.duration("dedupe").range(7 * DAY..=400 * DAY).get();
        let inbox = reader.duration("inbox").range(DAY..=400 * DAY).get();
        let outbox = reader.duration("outbox").range(DAY..=90 * DAY).get();
        let audit = reader.duration("audit").range(180 * DAY..=3_660 * DAY).get();
        let mirror = reader.duration("mirror").range(DAY..=90 * DAY).get();
        let backup = reader.duration("backup").range(DAY..=400 * DAY).get();
        Some(Self {
            dedupe: dedupe?,
            inbox: inbox?,
            outbox: outbox?,
            audit: audit?,
            mirror: mirror?,
            backup: backup?,
        })
    }
}

/// `[schedule]`: what happens to times that fall badly, unless a section says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleDefaults {
    pub misfire: Misfire,
    /// A missed time older than this is given up.
    pub grace: Duration,
    pub on_holiday: OnHoliday,
    pub on_makeup_workday: OnMakeupWorkday,
}

/// What to do about times that passed while the service was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfire {
    Skip,
    /// The latest missed time is made up for.
    Once,
    All,
}

/// Where an issue goes whose day is a holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHoliday {
    NextWorkday,
    PrevWorkday,
    Skip,
    /// It stays on its day.
    Keep,
}

/// What happens on a weekend day that is worked to make up for a holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMakeupWorkday {
    Normal,
    Skip,
}

pub const ON_HOLIDAY: [(&str, OnHoliday); 4] = [
    ("next_workday", OnHoliday::NextWorkday),
    ("prev_workday", OnHoliday::PrevWorkday),
    ("skip", OnHoliday::Skip),
    ("keep", OnHoliday::Keep),
];

pub const ON_MAKEUP_WORKDAY: [(&str, OnMakeupWorkday); 2] =
    [("normal", OnMakeupWorkday::Normal), ("skip", OnMakeupWorkday::Skip)];

impl Section for ScheduleDefaults {
    const NAME: &'static str = "schedule";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let misfires = [("skip", Misfire::Skip), ("once", Misfire::Once), ("all", Misfire::All)];
        let misfire = reader.text("misfire").one_of(&misfires).get();
        let grace = reader.duration("grace").range(Duration::ZERO..=7 * DAY).get();
        let on_holiday = reader.text("on_holiday").one_of(&ON_HOLIDAY).get();
        let on_makeup_workday = reader.text("on_makeup_workday").one_of(&ON_MAKEUP_WORKDAY).get();
        Some(Self {
            misfire: misfire?,
            grace: grace?,
            on_holiday: on_holiday?,
            on_makeup_workday: on_makeup_workday?,
        })
    }
}

/// `[holidays]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holidays {
    /// Yearly notices on top, from `[calendar] national`.
    pub national: Vec<crate::calendar::national::Year>,
    /// Company days off, from `[calendar] days_off`.
    pub days_off: Vec<crate::calendar::DayOff>,
    /// An own file in place of the one that is compiled in.
    pub file: Option<HolidayFile>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolidayFile {
    pub path: PathBuf,
    pub text: String,
}

impl Section for Holidays {
    const NAME: &'static str = "holidays";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let env = reader.shared.env;
        let had = reader.has("path");
        let file = reader.text("path").length(1..=500).parse(|path| match env.file(&path) {
            Ok(text) => match WorkdayTable::from_toml(&text) {
                Ok(_) => Ok(HolidayFile {
                    path: PathBuf::from(path),
                    text,
                }),
                Err(why) => Err(Wrong::new(
                    why.to_string().lines().next().unwrap_or_default(),
                    "take the line out for the built-in holidays, or begin with a copy of them",
                )),
            },
            Err(why) => Err(Wrong::new(
                format!("the file {} cannot be read: {why}", quoted(&path)),
                "relative paths begin at the folder of this file; take the line out for the built-in holidays",
            )),
        });
        let file = file.maybe();
        (file.is_some() || !had).then_some(Self {
            file,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let contains = |net: &str, ip: &str| Network::parse(net).unwrap().contains(ip.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.200.3.4"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("0.0.0.0/0", "8.8.8.8"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("fd00::/8", "fd12::1"));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/-1", "::/129"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_store_shows_no_login() {
        let shown = |url: &str| Store::parse(Secret::new(url)).unwrap().shown();
        assert_eq!(shown("sqlite://data/hutong.db"), "sqlite://data/hutong.db");
        assert_eq!(
            shown("postgres://u:p@db:5432/x?password=p"),
            "postgres://****@db:5432/x"
        );
        assert_eq!(shown("postgresql://db/x"), "postgresql://db/x");
        assert!(Store::parse(Secret::new("mysql://x")).is_err());
        assert!(Store::parse(Secret::new("sqlite://")).is_err());
    }
}
