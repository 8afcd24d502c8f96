//! What the bot says about segments, tags and interests.

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    NoSegments,
    NoSuchSegment {
        typed: &'a str,
        known: &'a str,
    },
    BadCondition {
        at: usize,
        what: &'a str,
        hint: &'a str,
    },
    ListTitle,
    ListRow {
        title: &'a str,
        id: &'a str,
        condition: &'a str,
    },
    Title {
        title: &'a str,
    },
    Count {
        people: usize,
        of: usize,
    },
    UnknownPeople {
        people: usize,
    },
    Department {
        name: &'a str,
        people: usize,
    },
    OtherDepartments {
        departments: usize,
        people: usize,
    },
    Nameless,
    Names {
        names: &'a str,
    },
    NobodyThere,
    Only {
        department: &'a str,
    },
    TagGiven {
        name: &'a str,
        tag: &'a str,
    },
    TagTaken {
        name: &'a str,
        tag: &'a str,
    },
    TagAlready {
        name: &'a str,
        tag: &'a str,
    },
    TagAbsent {
        name: &'a str,
        tag: &'a str,
    },
    NoInterests,
    NoSuchInterest {
        typed: &'a str,
        known: &'a str,
    },
    Joined {
        interest: &'a str,
    },
    JoinedAlready {
        interest: &'a str,
    },
    Left {
        interest: &'a str,
    },
    LeftAlready {
        interest: &'a str,
    },
    Mine {
        interests: &'a str,
    },
}

impl Say<'_> {
    pub fn in_lang(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => self.en(),
        }
    }

    fn zh(&self) -> String {
        match self {
            Say::NoSegments => "还没有分层。在配置里加一段 [[segment]],写上 id 和 where。".to_owned(),
            Say::NoSuchSegment { typed, known } => format!("没有叫「{typed}」的分层。现有:{known}"),
            Say::BadCondition { at, what, hint } => format!("条件第 {at} 个字有问题:{what}\n{hint}"),
            Say::ListTitle => "分层".to_owned(),
            Say::ListRow { title, id, condition } => format!("{title}({id}):{condition}"),
            Say::Title { title } => format!("分层「{title}」"),
            Say::Count { people, of } => format!("{people} 人,占能看到的 {of} 人中的 {}", percent(*people, *of)),
            Say::UnknownPeople { people } => format!("另有 {people} 人资料不全,无法判断,没有计入"),
            Say::Department { name, people } => format!("{name} {people} 人"),
            Say::OtherDepartments { departments, people } => format!("其他 {departments} 个部门 {people} 人"),
            Say::Nameless => "未分部门".to_owned(),
            Say::Names { names } => format!("例如:{names}"),
            Say::NobodyThere => "现在没有人符合。".to_owned(),
            Say::Only { department } => format!("只看部门:{department}"),
            Say::TagGiven { name, tag } => format!("已给 {name} 加上标签「{tag}」。"),
            Say::TagTaken { name, tag } => format!("已去掉 {name} 的标签「{tag}」。"),
            Say::TagAlready { name, tag } => format!("{name} 已有标签「{tag}」,没有变化。"),
            Say::TagAbsent { name, tag } => format!("{name} 没有标签「{tag}」,没有变化。"),
            Say::NoInterests => "这里还没有可以加入的兴趣。".to_owned(),
            Say::NoSuchInterest { typed, known } => format!("没有「{typed}」。可以加入:{known}"),
            Say::Joined { interest } => {
                format!("已加入「{interest}」,有相关活动会找你。发 /退出 {interest} 随时离开。")
            }
            Say::JoinedAlready { interest } => format!("你已在「{interest}」里。"),
            Say::Left { interest } => format!("已退出「{interest}」。"),
            Say::LeftAlready { interest } => format!("你本来就不在「{interest}」里。"),
            Say::Mine { interests } => format!("兴趣:{interests}"),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::NoSegments => {
                "There are no segments yet. Add a [[segment]] with id and where to the configuration.".to_owned()
            }
            Say::NoSuchSegment { typed, known } => format!("There is no segment \"{typed}\". There are: {known}"),
            Say::BadCondition { at, what, hint } => format!("The condition is wrong at character {at}: {what}\n{hint}"),
            Say::ListTitle => "Segments".to_owned(),
            Say::ListRow { title, id, condition } => format!("{title} ({id}): {condition}"),
            Say::Title { title } => format!("Segment \"{title}\""),
            Say::Count { people, of } => format!(
                "{people} people, {} of the {of} that can be seen",
                percent(*people, *of)
            ),
            Say::UnknownPeople { people } => format!("{people} more are not counted: too little is known about them"),
            Say::Department { name, people } => format!("{name}: {people}"),
            Say::OtherDepartments { departments, people } => format!("{departments} other departments: {people}"),
            Say::Nameless => "no department".to_owned(),
            Say::Names { names } => format!("For example: {names}"),
            Say::NobodyThere => "Nobody fits right now.".to_owned(),
            Say::Only { department } => format!("Only the department {department}"),
            Say::TagGiven { name, tag } => format!("{name} now has the tag \"{tag}\"."),
            Say::TagTaken { name, tag } => format!("{name} no longer has the tag \"{tag}\"."),
            Say::TagAlready { name, tag } => format!("{name} has the tag \"{tag}\" already; nothing changed."),
            Say::TagAbsent { name, tag } => format!("{name} does not have the tag \"{tag}\"; nothing changed."),
            Say::NoInterests => "There is nothing to join here yet.".to_owned(),
            Say::NoSuchInterest { typed, known } => format!("There is no \"{typed}\". You can join: {known}"),
            Say::Joined { interest } => {
                format!("You are in \"{interest}\" and will hear of it. Leave any time with /leave {interest}.")
            }
            Say::JoinedAlready { interest } => format!("You are in \"{interest}\" already."),
            Say::Left { interest } => format!("You have left \"{interest}\"."),
            Say::LeftAlready { interest } => format!("You were not in \"{interest}\"."),
            Say::Mine { interests } => format!("Interests: {interests}"),
        }
    }
}

fn percent(part: usize, of: usize) -> String {
    match (part * 1000).checked_div(of) {
        None => "0 %".to_owned(),
        Some(tenths) => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "segments.query",
        zh: &["分层 查询"],
        en: &["segment query"],
        about_zh: "一个分层或条件里有多少人、在哪些部门",
        about_en: "how many people a segment or condition means, and where they are",
        usage_zh: "/分层 查询 newcomer 部门=市场部\n/分层 查询 \"tenure_days < 90\"",
        usage_en: "/segment query newcomer dept=Sales\n/segment query \"tenure_days < 90\"",
    },
    CommandText {
        id: "segments.list",
        zh: &["分层", "分层 列表"],
        en: &["segment", "segment list"],
        about_zh: "配置里有哪些分层",
        about_en: "the segments of the configuration",
        usage_zh: "/分层 列表",
        usage_en: "/segment list",
    },
    CommandText {
        id: "segments.tag",
        zh: &["标签 加"],
        en: &["tag add"],
        about_zh: "给一个人加标签",
        about_en: "give a person a tag",
        usage_zh: "/标签 加 @张三 mcu",
        usage_en: "/tag add @Zhang mcu",
    },
    CommandText {
        id: "segments.untag",
        zh: &["标签 去"],
        en: &["tag remove"],
        about_zh: "去掉一个人的标签",
        about_en: "take a tag from a person",
        usage_zh: "/标签 去 @张三 mcu",
        usage_en: "/tag remove @Zhang mcu",
    },
    CommandText {
        id: "segments.join",
        zh: &["加入"],
        en: &["join"],
        about_zh: "加入一个兴趣",
        about_en: "join an interest",
        usage_zh: "/加入 摄影",
        usage_en: "/join photography",
    },
    CommandText {
        id: "segments.leave",
        zh: &["退出"],
        en: &["leave"],
        about_zh: "退出一个兴趣",
        about_en: "leave an interest",
        usage_zh: "/退出 摄影",
        usage_en: "/leave photography",
    },
];
