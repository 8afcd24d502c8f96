//! What the features of this program need of an app, as data, and how they stand on one: from its
//! capabilities alone.

use hutong_model::{Ability, Capabilities, SeeClass};

/// A feature and what it needs.
pub struct Feature {
    pub zh: &'static str,
    pub en: &'static str,
    /// Without one of these it is off.
    must: &'static [Ability],
    /// Without one of these it goes on with less: Chinese, English.
    better: &'static [(Need, &'static str, &'static str)],
}

enum Need {
    Can(Ability),
    Sees(SeeClass),
}

impl Need {
    fn met(&self, caps: &Capabilities) -> bool {
        match self {
            Need::Can(ability) => caps.can(*ability),
            Need::Sees(class) => caps.sees(*class),
        }
    }
}

/// How a feature stands on an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Works,
    /// What is less, Chinese and English.
    Degraded(Vec<(&'static str, &'static str)>),
    /// What it lacks.
    Off(Vec<Ability>),
}

impl Feature {
    pub fn standing(&self, caps: &Capabilities) -> Standing {
        let lacks: Vec<Ability> = self.must.iter().copied().filter(|a| !caps.can(*a)).collect();
        if !lacks.is_empty() {
            return Standing::Off(lacks);
        }
        let less = self.better.iter().filter(|(need, ..)| !need.met(caps));
        let less: Vec<_> = less.map(|(_, zh, en)| (*zh, *en)).collect();
        match less.is_empty() {
            true => Standing::Works,
            false => Standing::Degraded(less),
        }
    }
}

pub const FEATURES: &[Feature] = &[
    Feature {
        zh: "私信",
        en: "private messages",
        must: &[Ability::SendToUser],
        better: &[(
            Need::Can(Ability::FirstWord),
            "只能写给先找过我的人",
            "only to people who wrote first",
        )],
    },
    Feature {
        zh: "栏目与通知",
        en: "columns and notices",
        must: &[Ability::SendToChat],
        better: &[(
            Need::Can(Ability::ButtonsInChat),
            "卡片没有按钮",
            "cards without buttons",
        )],
    },
    Feature {
        zh: "感谢与积分",
        en: "thanks and points",
        must: &[Ability::Reply],
        better: &[(
            Need::Can(Ability::SeesRecalls),
            "撤回的感谢要手工冲正",
            "a thank-you taken back is reversed by hand",
        )],
    },
    Feature {
        zh: "周报",
        en: "weekly report",
        must: &[Ability::Reply],
        better: &[(
            Need::Sees(SeeClass::V1),
            "仅统计 @ 我的消息",
            "counts only what is addressed to me",
        )],
    },
    Feature {
        zh: "通讯录",
        en: "directory",
        must: &[Ability::ListDepartments, Ability::ListPeople],
        better: &[(
            Need::Can(Ability::SeesDirectory),
            "每天同步一次,变动不会马上知道",
            "read once a day, changes come late",
        )],
    },
    Feature {
        zh: "部门群",
        en: "department groups",
        must: &[Ability::CreateChat, Ability::AddMembers, Ability::RemoveMembers],
        better: &[
            (
                Need::Can(Ability::SetOwner),
                "群主要手工转让",
                "owners are changed by hand",
            ),
            (
                Need::Can(Ability::SeesMembers),
                "谁自己退群要靠对账才知道",
                "who leaves is only seen later",
            ),
        ],
    },
    Feature {
        zh: "新人引导",
        en: "newcomer path",
        must: &[Ability::SendToUser, Ability::FirstWord],
        better: &[(
            Need::Can(Ability::ButtonsToUser),
            "卡片没有按钮",
            "cards without buttons",
        )],
    },
];

#[cfg(test)]
mod tests {
    use hutong_model::Platform;

    use super::*;
    use crate::rules::testkit::FakeAdapter;

    fn stand(abilities: &[Ability], feature: &str) -> Standing {
        let caps = FakeAdapter::new("fs", Platform::Feishu, abilities.iter().copied()).caps;
        let found = FEATURES.iter().find(|f| f.en == feature).unwrap();
        found.standing(&caps)
    }

    #[test]
    fn a_feature_works_is_less_or_is_off() {
        let feature = "private messages";
        assert_eq!(stand(&[], feature), Standing::Off(vec![Ability::SendToUser]));
        assert!(matches!(stand(&[Ability::SendToUser], feature), Standing::Degraded(less) if less.len() == 1));
        assert_eq!(
            stand(&[Ability::SendToUser, Ability::FirstWord], feature),
            Standing::Works
        );
        let groups = stand(&[Ability::CreateChat], "department groups");
        assert_eq!(groups, Standing::Off(vec![Ability::AddMembers, Ability::RemoveMembers]));
    }
}
