//! Small dialogues as text, so that they can be read and extended without touching code.
//!
//! ```text
//! @ rd drv                        where it fits: kinds of groups
//! A: text                         A to E are different members, L the owner of the group
//! B^: text                        answers the line before with "reply"
//! B*: text                        gets reactions
//! B+: text                        comes after a longer while
//! C?: text                        said three times out of five
//! A~: text                        taken back soon after
//! A!B: reason                     thanks through the bot
//! A/: /积分                       a command to the bot
//! {one|other}                     a choice;  [板] a word from a list;  [B工] "engineer" + family name of B
//! ```

use std::collections::HashMap;

use super::dice::Dice;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scene {
    pub kinds: Vec<&'static str>,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub who: char,
    pub what: What,
    pub reply: bool,
    pub liked: bool,
    pub later: bool,
    pub perhaps: bool,
    pub text: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Say,
    Recalled,
    Thanks { whom: char },
    Command,
}

const FILES: [&str; 4] = [
    include_str!("scenes/research.txt"),
    include_str!("scenes/plant.txt"),
    include_str!("scenes/market.txt"),
    include_str!("scenes/office.txt"),
];

/// All dialogues, in the order of the files. Lines that cannot be read are left out; a test says
/// that there are none.
pub(crate) fn scenes() -> Vec<Scene> {
    FILES.iter().flat_map(|file| parse(file).0).collect()
}

fn parse(file: &'static str) -> (Vec<Scene>, Vec<&'static str>) {
    let (mut scenes, mut bad): (Vec<Scene>, _) = (Vec::new(), Vec::new());
    for line in file.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(kinds) = line.strip_prefix('@') {
            scenes.push(Scene {
                kinds: kinds.split_whitespace().collect(),
                lines: Vec::new(),
            });
            continue;
        }
        match (scenes.last_mut(), parse_line(line)) {
            (Some(scene), Some(line)) => scene.lines.push(line),
            _ => bad.push(line),
        }
    }
    (scenes, bad)
}

fn parse_line(line: &'static str) -> Option<Line> {
    let (head, text) = line.split_once(": ")?;
    let mut chars = head.chars();
    let who = chars.next().filter(|c| matches!(c, 'A'..='E' | 'L'))?;
    let mut out = Line {
        who,
        what: What::Say,
        reply: false,
        liked: false,
        later: false,
        perhaps: false,
        text,
    };
    while let Some(mark) = chars.next() {
        match mark {
            '^' => out.reply = true,
            '*' => out.liked = true,
            '+' => out.later = true,
            '?' => out.perhaps = true,
            '~' => out.what = What::Recalled,
            '/' => out.what = What::Command,
            '!' => {
                out.what = What::Thanks {
                    whom: chars.next().filter(|c| matches!(c, 'A'..='E' | 'L'))?,
                }
            }
            _ => return None,
        }
    }
    Some(out)
}

fn words(slot: &str) -> &'static [&'static str] {
    match slot {
        "板" => &[
            "V3 驱动板",
            "400W 小机座",
            "750W 机型",
            "双轴样机",
            "总线从站板",
            "IO 扩展模块",
            "编码器小板",
            "1.5kW 机型",
            "低压伺服板",
            "B 系列控制板",
            "面板组件",
            "一体机样机",
        ],
        "组件" => &[
            "电流环",
            "位置环",
            "升级程序",
            "CANopen 协议栈",
            "总线从站",
            "参数表",
            "报警模块",
            "抱闸控制",
            "编码器驱动",
            "波形记录",
            "脉冲输入",
            "通信任务",
            "自整定",
        ],
        "错" => &[
            "编码器断线报警",
            "过压误报",
            "位置超差",
            "通信超时",
            "欠压报警",
            "抱闸反馈异常",
            "零点丢失",
            "温度读数跳变",
        ],
        "客户" => &[
            "苏南的包装机客户",
            "做雕刻机的客户",
            "佛山的木工机客户",
            "半导体设备客户",
            "点胶机客户",
            "物流分拣客户",
            "印刷机客户",
            "纺织机客户",
            "绕线机客户",
            "机器人客户",
            "做贴标机的老客户",
        ],
        "线" => &[
            "一线",
            "二线",
            "三线",
            "灌胶工位",
            "老化房",
            "贴片线",
            "装配三工位",
            "总装线",
            "包装工位",
            "测试工位",
        ],
        "料" => &[
            "电解电容",
            "磁环",
            "接线端子",
            "功率模块",
            "散热片",
            "航插",
            "导热垫",
            "风扇",
            "继电器",
            "面板按键",
            "扁平电缆",
            "铝外壳",
        ],
        "会议室" => &["三楼小会议室", "石榴厅", "二楼培训室", "一楼洽谈室", "海棠厅"],
        "文档" => &[
            "《驱动移植手记》",
            "《现场问题汇编》",
            "“知识库/调试”目录",
            "《新人上手》",
            "《接口约定》",
            "共享盘的“模板”目录",
            "《常见误区》",
        ],
        _ => &[],
    }
}

/// What a line may mention beside the word lists.
pub(crate) struct Filler<'a> {
    /// Family name and full name of a speaker.
    pub cast: &'a dyn Fn(char) -> Option<(&'static str, String)>,
    /// A coming day, as colleagues say it at the moment of the line.
    pub day: &'a dyn Fn(&mut Dice) -> String,
    /// A time still ahead, as colleagues say it at the moment of the line.
    pub time: &'a dyn Fn(&mut Dice) -> String,
}

/// Fills choices and slots. Words of a list stay the same within one dialogue (`chosen`), numbers do
/// not.
pub(crate) fn fill(
    text: &str,
    dice: &mut Dice,
    chosen: &mut HashMap<&'static str, &'static str>,
    filler: &Filler<'_>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let close = if from.starts_with('{') { '}' } else { ']' };
        let Some(end) = from.find(close) else {
            out.push_str(from);
            return out;
        };
        let inner = from.get(1..end).unwrap_or_default();
        rest = from.get(end + 1..).unwrap_or_default();
        if close == '}' {
            let choices: Vec<&str> = inner.split('|').collect();
            let choice = dice.pick(&choices).copied().unwrap_or_default();
            out.push_str(&fill(choice, dice, chosen, filler));
        } else {
            out.push_str(&slot(inner, dice, chosen, filler));
        }
    }
    out.push_str(rest);
    out
}

fn slot(name: &str, dice: &mut Dice, chosen: &mut HashMap<&'static str, &'static str>, filler: &Filler<'_>) -> String {
    const AFTERNOON: [&str; 6] = [
        "下午两点",
        "下午两点半",
        "下午三点",
        "下午四点",
        "上午十点",
        "上午九点半",
    ];
    match name {
        "小数" => dice.between(2, 8).to_string(),
        "大数" => dice.between(12, 48).to_string(),
        "天" => (filler.day)(dice),
        "时" => (filler.time)(dice),
        "天时" => format!(
            "{}{}",
            (filler.day)(dice),
            dice.pick(&AFTERNOON).copied().unwrap_or("下午两点")
        ),
        "单号" => format!("工单 26{:02}-{}", dice.between(10, 12), dice.between(1103, 1987)),
        _ => {
            let mut chars = name.chars();
            if let (Some(who @ ('A'..='E' | 'L')), Some(form)) = (chars.next(), chars.next()) {
                return match ((filler.cast)(who), form) {
                    (Some((family, _)), '工') => format!("{family}工"),
                    (Some((_, name)), _) => name,
                    (None, _) => "大家".to_owned(),
                };
            }
            let list = words(name);
            let Some(first) = list.first() else {
                return name.to_owned();
            };
            let key = KEYS.iter().find(|k| **k == name).copied().unwrap_or("");
            let word = chosen
                .entry(key)
                .or_insert_with(|| dice.pick(list).copied().unwrap_or(first));
            (*word).to_owned()
        }
    }
}

const KEYS: [&str; 8] = ["板", "组件", "错", "客户", "线", "料", "会议室", "文档"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_can_be_read() {
        let mut lines = 0;
        for file in FILES {
            let (scenes, bad) = parse(file);
            assert!(bad.is_empty(), "{bad:?}");
            for scene in &scenes {
                assert!(!scene.kinds.is_empty() && !scene.lines.is_empty(), "{scene:?}");
                let first = &scene.lines[0];
                assert!(!first.reply && !first.perhaps && !first.later, "{scene:?}");
                for line in &scene.lines {
                    if let What::Thanks { whom } = line.what {
                        assert!(whom != line.who && line.text.chars().count() >= 6, "{line:?}");
                    }
                }
                lines += scene.lines.len();
            }
        }
        assert!(lines > 600, "{lines}");
    }

    #[test]
    fn every_slot_is_known_and_filled() {
        let filler = Filler {
            cast: &|who| Some(("陆", format!("陆{who}"))),
            day: &|_| "周四".into(),
            time: &|_| "下午三点".into(),
        };
        let mut dice = Dice::part(1, "test");
        for scene in scenes() {
            let mut chosen = HashMap::new();
            for line in &scene.lines {
                let text = fill(line.text, &mut dice, &mut chosen, &filler);
                assert!(!text.contains(['[', ']', '{', '}', '|']), "{text}");
                assert!(!text.is_empty());
                assert!(
                    !text.contains("<@"),
                    "mentions are put in by the script, not by the text: {text}"
                );
            }
            assert!(!chosen.contains_key(""), "an unlisted slot in {scene:?}");
        }
    }

    #[test]
    fn words_stay_within_a_dialogue_and_choices_vary() {
        let filler = Filler {
            cast: &|_| Some(("陆", "陆远山".into())),
            day: &|_| "明天".into(),
            time: &|_| "下午三点".into(),
        };
        let mut dice = Dice::part(7, "test");
        let mut chosen = HashMap::new();
        let text = fill("[板]和[板]，[B工]|[B名]", &mut dice, &mut chosen, &filler);
        let (left, right) = text.split_once('和').unwrap();
        assert!(right.starts_with(left), "{text}");
        assert!(text.ends_with("陆工|陆远山"));
        let many: std::collections::HashSet<String> = (0..20)
            .map(|_| fill("{a|b}", &mut dice, &mut HashMap::new(), &filler))
            .collect();
        assert_eq!(many.len(), 2);
    }
}
