//! What colleagues of the demo company send in to its columns in the four weeks, beside their talk.

use hutong_model::Timestamp;
use hutong_simkit::company::Date;

/// Sent in for Monday's news, a line for each week.
const NEWS: [[&str; 3]; 5] = [
    [
        "V3 驱动板通过 72 小时老化,温升比上一版低 6 度",
        "二车间灌胶工位换了新夹具,单件省 40 秒",
        "新同事入职手册更新到第 5 版,里面加了常用命令",
    ],
    [
        "做雕刻机的客户追加 600 套 400W 机型,十二月交货",
        "总线从站板拿到一致性测试报告,零缺陷",
        "食堂周三起增加清淡窗口,意见可以写给行政",
    ],
    [
        "海外展会带回 42 张名片,有 9 家要样机",
        "来料检验开始扫码入库,下午三点后到货也能当天入账",
        "研发测试架从 6 台加到 10 台,排队时间少了一半",
    ],
    [
        "一车间连续 30 天无安全事故,继续保持",
        "报销改为每周二、周四付款,周一前提交最快",
        "知识库上周新增 18 篇,阅读最多的是编码器断线排查",
    ],
    [
        "750W 机型小批 50 套全部一次通过终测",
        "仓库搬到二号库,领料窗口改在北门",
        "读书会下周四晚上开最后一讲,欢迎旁听",
    ],
];

/// Sent in for Thursday's sharing.
const SHARING: [[&str; 2]; 4] = [
    [
        "掉帧先量终端电阻,再看线长,最后才怀疑程序,半小时能定位",
        "波形记录存成同一个模板,换人看也能对得上",
    ],
    [
        "给客户回邮件先写结论,再写原因,电话少了一半",
        "抱闸反馈异常九成是线序,先对颜色再拆机",
    ],
    [
        "过压误报加 20 毫秒滤波就好,别急着换电容",
        "采购催货把“什么时候能发”换成“先发多少”,更容易有答复",
    ],
    [
        "老化房换批次前拍一张仪表照片,追溯时省半天",
        "升级程序前先导出参数表,回退只要两分钟",
    ],
];

/// One submission to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    pub at: Timestamp,
    /// Title of the column.
    pub column: &'static str,
    pub text: &'static str,
}

/// All submissions of the weeks that end at `end`, a Friday afternoon, in order of time.
pub fn stories(end: Timestamp) -> Vec<Story> {
    let friday = Date::of(end).monday().plus(4);
    let mut list = Vec::new();
    let weeks = i64::try_from(NEWS.len()).unwrap_or(0);
    for (n, texts) in (0..).zip(NEWS) {
        // The news of a Monday come in on the Friday before it.
        let day = friday.plus(7 * (n + 1 - weeks));
        for (minute, text) in (14 * 60 + 10..).step_by(17).zip(texts) {
            list.push(Story {
                at: day.at_minute(minute),
                column: "每周资讯",
                text,
            });
        }
    }
    let weeks = i64::try_from(SHARING.len()).unwrap_or(0);
    for (n, texts) in (0..).zip(SHARING) {
        let day = friday.plus(7 * (n + 1 - weeks) - 2);
        for (minute, text) in (13 * 60 + 40..).step_by(26).zip(texts) {
            list.push(Story {
                at: day.at_minute(minute),
                column: "经验分享",
                text,
            });
        }
    }
    list.sort_by_key(|s| s.at);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_issue_has_something_and_all_comes_in_before_the_end() {
        // Friday 2026-11-20, 16:40 in Shanghai.
        let end = Timestamp::from_secs(1_795_164_000);
        let all = stories(end);
        assert_eq!(all.len(), 23);
        assert!(all.iter().all(|s| s.at < end), "{all:?}");
        assert!(all.is_sorted_by_key(|s| s.at));
        let fridays = all.iter().filter(|s| Date::of(s.at).weekday() == 5).count();
        assert_eq!(fridays, 15);
        assert!(all.iter().all(|s| s.text.chars().count() <= 60));
    }
}
