//! The sections of the rules. A rule reads its own section in its own folder; here is the list.
//!
//! A new section is one line in `sections!` (and its block in `config/hutong.toml`). The files below
//! stand in the folders of their rules; a rule that is a module of its own takes them from here:
//! `pub use crate::config::rules::points as config;`.

use super::section::{Root, Section};

#[path = "../rules/columns/config.rs"]
pub mod columns;
#[path = "../rules/groups/config.rs"]
pub mod groups;
#[path = "../rules/newcomers/config.rs"]
pub mod newcomers;
#[path = "../rules/points/config.rs"]
pub mod points;
#[path = "../rules/reports/config.rs"]
pub mod reports;
#[path = "../rules/review/config.rs"]
pub mod review;
#[path = "../rules/segments/config.rs"]
pub mod segments;

macro_rules! sections {
    (
        switches { $($(#[$doc:meta])* $switch:ident: $one:ty,)* }
        blocks { $($(#[$docs:meta])* $blocks:ident: $many:ty,)* }
    ) => {
        /// The sections of all rules. What is absent is switched off.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct RulesConfig {
            $($(#[$doc])* pub $switch: Option<$one>,)*
            $($(#[$docs])* pub $blocks: Vec<$many>,)*
        }

        impl RulesConfig {
            pub(super) fn read(root: &Root<'_>) -> Option<Self> {
                $(let $switch = root.switch::<$one>();)*
                $(let $blocks = root.many::<$many>();)*
                let mut all = Self { $($switch: $switch?,)* $($blocks: $blocks?,)* };
                let wrong = groups::wrong_feeds(&all.groups);
                let good = wrong.is_empty();
                for (at, wrong) in wrong {
                    root.wrong_in(<groups::GroupRule as Section>::NAME, at, "into", wrong);
                }
                groups::link(&mut all.groups, &all.segments);
                good.then_some(all)
            }
        }
    };
}

sections! {
    switches {
        /// `[points]`
        points: points::Points,
        /// `[report]`
        report: reports::Report,
        /// `[interests]`
        interests: segments::Interests,
        /// `[review]`
        review: review::Review,
        /// `[onboard]`
        onboard: newcomers::Onboard,
    }
    blocks {
        /// `[[group_rule]]`
        groups: groups::GroupRule,
        /// `[[column]]`
        columns: columns::Column,
        /// `[[segment]]`
        segments: segments::Segment,
    }
}
