//! The platforms this program speaks: one line each.

use hutong_model::PlatformEntry;

pub const ALL: &[PlatformEntry] = &[hutong_feishu::ENTRY, hutong_dingtalk::ENTRY, hutong_wecom::ENTRY];
