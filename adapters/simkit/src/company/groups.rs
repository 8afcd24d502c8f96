//! The groups in which the company talks.

use hutong_model::Platform;
use hutong_model::Platform::{DingTalk, Feishu, WeCom};

use super::dice::Dice;
use super::people::{Employee, UNITS};

/// Which hours a group keeps, as weights per hour of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hours {
    Office,
    Plant,
    Field,
}

impl Hours {
    /// Hour, weight.
    pub fn weights(self) -> &'static [(i64, f64)] {
        match self {
            Hours::Office => &[
                (8, 0.3),
                (9, 1.4),
                (10, 2.0),
                (11, 1.4),
                (12, 0.6),
                (13, 0.9),
                (14, 1.8),
                (15, 1.9),
                (16, 1.7),
                (17, 1.1),
                (18, 0.4),
                (19, 0.3),
            ],
            Hours::Plant => &[
                (7, 1.5),
                (8, 1.8),
                (9, 1.3),
                (10, 1.3),
                (11, 1.0),
                (12, 0.5),
                (13, 1.0),
                (14, 1.2),
                (15, 1.3),
                (16, 1.7),
                (17, 0.9),
                (19, 0.6),
            ],
            Hours::Field => &[
                (8, 0.6),
                (9, 1.5),
                (10, 1.6),
                (11, 1.2),
                (13, 0.8),
                (14, 1.5),
                (15, 1.6),
                (16, 1.6),
                (17, 1.3),
                (18, 0.8),
                (19, 0.7),
            ],
        }
    }
}

/// A group, before a platform has given it an id.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPlan {
    /// Its handle in the script: `$` and this.
    pub key: &'static str,
    pub platform: Platform,
    pub name: &'static str,
    /// User id on `platform`; is one of `members`.
    pub owner: String,
    pub members: Vec<String>,
    /// Kinds of dialogues and how often each is chosen.
    pub(crate) kinds: &'static [(&'static str, f64)],
    /// Dialogues on an ordinary day.
    pub(crate) per_day: f64,
    pub(crate) hours: Hours,
    /// Indices of the members among all employees, in the order of `members`.
    pub(crate) who: Vec<usize>,
}

struct Template {
    key: &'static str,
    platform: Platform,
    name: &'static str,
    /// Units whose people are in it, with sub-units. `*` is everybody.
    units: &'static [&'static str],
    /// At most this many of them; the leaders first.
    at_most: usize,
    kinds: &'static [(&'static str, f64)],
    per_day: f64,
    hours: Hours,
}

const TEMPLATES: [Template; 15] = [
    Template {
        key: "rd_all",
        platform: Feishu,
        name: "研发中心·技术交流",
        units: &["rd", "mk"],
        at_most: 60,
        kinds: &[("rd", 5.0), ("any", 1.0)],
        per_day: 4.2,
        hours: Hours::Office,
    },
    Template {
        key: "port",
        platform: Feishu,
        name: "驱动移植攻坚组",
        units: &["rd_sw", "rd_hw", "rd_up"],
        at_most: 14,
        kinds: &[("drv", 1.0)],
        per_day: 2.2,
        hours: Hours::Office,
    },
    Template {
        key: "test",
        platform: Feishu,
        name: "测试与质量联动",
        units: &["rd_qa", "qa", "rd_sw"],
        at_most: 14,
        kinds: &[("test", 1.0)],
        per_day: 1.6,
        hours: Hours::Office,
    },
    Template {
        key: "hq",
        platform: Feishu,
        name: "石榴巷总部大家庭",
        units: &["*"],
        at_most: 200,
        kinds: &[("hq", 2.0), ("any", 2.0)],
        per_day: 2.8,
        hours: Hours::Office,
    },
    Template {
        key: "money",
        platform: Feishu,
        name: "差旅与报销互助",
        units: &["fi", "hr", "mk", "rd"],
        at_most: 34,
        kinds: &[("fin", 3.0), ("any", 0.6)],
        per_day: 1.3,
        hours: Hours::Office,
    },
    Template {
        key: "supply",
        platform: Feishu,
        name: "供应链协同",
        units: &["sc", "rd_hw", "pd"],
        at_most: 18,
        kinds: &[("sup", 3.0), ("any", 0.5)],
        per_day: 1.5,
        hours: Hours::Office,
    },
    Template {
        key: "book",
        platform: Feishu,
        name: "石榴巷读书会",
        units: &["rd", "hr", "fi", "mk"],
        at_most: 28,
        kinds: &[("book", 1.0)],
        per_day: 0.0,
        hours: Hours::Office,
    },
    Template {
        key: "shop1",
        platform: DingTalk,
        name: "一车间班组",
        units: &["pd_1", "pd_eq"],
        at_most: 13,
        kinds: &[("shop", 4.0), ("any", 1.0)],
        per_day: 2.4,
        hours: Hours::Plant,
    },
    Template {
        key: "shop2",
        platform: DingTalk,
        name: "二车间班组",
        units: &["pd_2", "qa_pr"],
        at_most: 13,
        kinds: &[("shop", 4.0), ("any", 1.0)],
        per_day: 2.2,
        hours: Hours::Plant,
    },
    Template {
        key: "equip",
        platform: DingTalk,
        name: "设备维护快修",
        units: &["pd_eq", "pd", "pd_1"],
        at_most: 12,
        kinds: &[("eq", 1.0)],
        per_day: 1.1,
        hours: Hours::Plant,
    },
    Template {
        key: "quality",
        platform: DingTalk,
        name: "质量日清",
        units: &["qa", "pd", "rd_qa"],
        at_most: 24,
        kinds: &[("qa", 3.0), ("any", 0.7)],
        per_day: 2.1,
        hours: Hours::Plant,
    },
    Template {
        key: "plant",
        platform: DingTalk,
        name: "工厂大家庭",
        units: &["*"],
        at_most: 200,
        kinds: &[("plant", 3.0), ("any", 1.0)],
        per_day: 2.2,
        hours: Hours::Plant,
    },
    Template {
        key: "sales",
        platform: WeCom,
        name: "市场部日常",
        units: &["mk"],
        at_most: 20,
        kinds: &[("sale", 4.0), ("any", 1.5)],
        per_day: 2.6,
        hours: Hours::Field,
    },
    Template {
        key: "sea",
        platform: WeCom,
        name: "海外项目组",
        units: &["mk_sea", "mk"],
        at_most: 8,
        kinds: &[("sea", 3.0), ("any", 0.6)],
        per_day: 0.8,
        hours: Hours::Field,
    },
    Template {
        key: "fast",
        platform: WeCom,
        name: "客户问题快反",
        units: &["rd_sw", "rd_hw", "mk_cn", "mk"],
        at_most: 14,
        kinds: &[("fast", 1.0)],
        per_day: 1.5,
        hours: Hours::Field,
    },
];

fn is_in(unit: usize, key: &str) -> bool {
    let mut next = UNITS.get(unit);
    while let Some(unit) = next {
        if unit.key == key {
            return true;
        }
        next = unit.parent.and_then(|p| UNITS.iter().find(|u| u.key == p));
    }
    key == "*"
}

/// All groups, the same every time.
pub(crate) fn plans(all: &[Employee]) -> Vec<GroupPlan> {
    TEMPLATES
        .iter()
        .map(|t| {
            let mut who: Vec<usize> = Vec::new();
            for unit in t.units {
                let mut of_unit: Vec<usize> = all
                    .iter()
                    .enumerate()
                    .filter(|(i, e)| e.is_on(t.platform) && is_in(e.unit, unit) && !who.contains(i))
                    .map(|(i, _)| i)
                    .collect();
                // Large units send their leaders and a changing choice of people.
                if t.units.len() > 1 && of_unit.len() > t.at_most / 2 {
                    let (mut leaders, mut rest): (Vec<usize>, Vec<usize>) = of_unit.into_iter().partition(|&i| {
                        all.get(i)
                            .is_some_and(|e| all.iter().any(|o| o.leader == Some(i)) && e.leader.is_some())
                    });
                    Dice::part(1, t.key).shuffle(&mut rest);
                    leaders.append(&mut rest);
                    leaders.truncate((t.at_most * 2 / 3).max(1));
                    of_unit = leaders;
                }
                who.append(&mut of_unit);
            }
            who.truncate(t.at_most);
            let id = |i: &usize| all.get(*i).map(|e| e.id(t.platform));
            let owner = who.first().and_then(id).unwrap_or_default();
            GroupPlan {
                key: t.key,
                platform: t.platform,
                name: t.name,
                owner,
                members: who.iter().filter_map(id).collect(),
                kinds: t.kinds,
                per_day: t.per_day,
                hours: t.hours,
                who,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::people::employees;
    use super::super::scene::scenes;
    use super::*;

    #[test]
    fn groups_have_members_of_their_platform_and_something_to_say() {
        let all = employees();
        let plans = plans(&all);
        let scenes = scenes();
        for plan in &plans {
            assert!(plan.members.len() >= 6, "{}: {}", plan.name, plan.members.len());
            assert_eq!(plan.members.first(), Some(&plan.owner));
            let unique: std::collections::HashSet<&String> = plan.members.iter().collect();
            assert_eq!(unique.len(), plan.members.len(), "{}", plan.name);
            assert!(plan.who.iter().all(|&i| all[i].is_on(plan.platform)));
            for (kind, _) in plan.kinds {
                let fitting = scenes.iter().filter(|s| s.kinds.contains(kind)).count();
                assert!(fitting >= 6, "{kind}: {fitting}");
            }
        }
        for platform in Platform::ALL {
            assert!(plans.iter().filter(|p| p.platform == platform).count() >= 3);
        }
    }
}
