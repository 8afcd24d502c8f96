//! Who works at the made-up company, and on which platforms.

use std::collections::BTreeSet;

use hutong_model::Platform::{DingTalk, Feishu, WeCom};
use hutong_model::{Day, Employment, Platform, Timestamp};

use super::DOMAIN;
use super::dice::Dice;
use crate::{Org, SimDepartment, SimPerson};

/// A department or team. The order gives the numbers under which two platforms know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub key: &'static str,
    pub parent: Option<&'static str>,
    pub name: &'static str,
    /// People directly in it, its leader included.
    pub heads: usize,
    pub main: Platform,
    pub leader: &'static str,
    pub titles: &'static [&'static str],
    /// Its leader has an account on this platform as well.
    pub leader_also: Option<Platform>,
    /// This many of its other people have an account on a second platform.
    pub others_also: Option<(usize, Platform)>,
}

const fn unit(
    key: &'static str,
    parent: Option<&'static str>,
    name: &'static str,
    heads: usize,
    main: Platform,
    leader: &'static str,
    titles: &'static [&'static str],
) -> Unit {
    Unit {
        key,
        parent,
        name,
        heads,
        main,
        leader,
        titles,
        leader_also: None,
        others_also: None,
    }
}

impl Unit {
    const fn leader_also(mut self, platform: Platform) -> Self {
        self.leader_also = Some(platform);
        self
    }
    const fn others_also(mut self, count: usize, platform: Platform) -> Self {
        self.others_also = Some((count, platform));
        self
    }
}

pub(crate) const UNITS: [Unit; 24] = [
    unit("rd", None, "研发中心", 2, Feishu, "总经理兼研发负责人", &["系统架构师"]),
    unit(
        "rd_sw",
        Some("rd"),
        "嵌入式软件组",
        9,
        Feishu,
        "嵌入式软件主管",
        &["嵌入式软件工程师", "驱动工程师", "高级嵌入式软件工程师"],
    )
    .leader_also(WeCom)
    .others_also(2, WeCom),
    unit(
        "rd_hw",
        Some("rd"),
        "硬件组",
        7,
        Feishu,
        "硬件主管",
        &["硬件工程师", "功率电路工程师", "PCB 工程师"],
    )
    .leader_also(WeCom),
    unit(
        "rd_me",
        Some("rd"),
        "结构组",
        4,
        Feishu,
        "结构主管",
        &["结构工程师", "热设计工程师"],
    ),
    unit(
        "rd_up",
        Some("rd"),
        "上位机组",
        4,
        Feishu,
        "上位机主管",
        &["上位机工程师", "前端工程师"],
    ),
    unit(
        "rd_qa",
        Some("rd"),
        "测试组",
        4,
        Feishu,
        "测试主管",
        &["测试工程师", "自动化测试工程师"],
    )
    .leader_also(DingTalk),
    unit("mk", None, "市场部", 1, WeCom, "市场总监", &[]).leader_also(Feishu),
    unit(
        "mk_cn",
        Some("mk"),
        "国内销售组",
        8,
        WeCom,
        "国内销售经理",
        &["销售工程师", "大客户经理", "技术支持工程师"],
    ),
    unit(
        "mk_sea",
        Some("mk"),
        "海外项目组",
        5,
        WeCom,
        "海外项目经理",
        &["海外销售工程师", "单证专员"],
    ),
    unit(
        "mk_brand",
        Some("mk"),
        "品牌与内容组",
        4,
        WeCom,
        "品牌主管",
        &["内容编辑", "设计师"],
    ),
    unit("pd", None, "生产部", 2, DingTalk, "生产经理", &["工艺工程师"]).leader_also(Feishu),
    unit(
        "pd_1",
        Some("pd"),
        "一车间",
        9,
        DingTalk,
        "一车间主任",
        &["装配技师", "贴片操作员", "班组长"],
    ),
    unit(
        "pd_2",
        Some("pd"),
        "二车间",
        9,
        DingTalk,
        "二车间主任",
        &["装配技师", "老化测试员", "班组长"],
    ),
    unit(
        "pd_eq",
        Some("pd"),
        "设备组",
        6,
        DingTalk,
        "设备主管",
        &["设备工程师", "电工"],
    ),
    unit("qa", None, "质量部", 1, DingTalk, "质量经理", &[]).leader_also(Feishu),
    unit(
        "qa_in",
        Some("qa"),
        "来料检验组",
        5,
        DingTalk,
        "来料检验主管",
        &["来料检验员", "供应商质量工程师"],
    ),
    unit(
        "qa_pr",
        Some("qa"),
        "过程质量组",
        6,
        DingTalk,
        "过程质量主管",
        &["过程检验员", "质量工程师"],
    ),
    unit(
        "qa_lab",
        Some("qa"),
        "实验室",
        4,
        DingTalk,
        "实验室主管",
        &["可靠性工程师", "计量员"],
    ),
    unit("sc", None, "供应链", 1, Feishu, "供应链经理", &[]),
    unit(
        "sc_buy",
        Some("sc"),
        "采购组",
        5,
        Feishu,
        "采购主管",
        &["采购工程师", "采购专员"],
    ),
    unit("sc_plan", Some("sc"), "计划组", 3, Feishu, "计划主管", &["计划员"]).leader_also(DingTalk),
    unit(
        "sc_wh",
        Some("sc"),
        "仓储物流组",
        5,
        DingTalk,
        "仓储主管",
        &["仓库管理员", "物流专员"],
    )
    .leader_also(Feishu),
    unit(
        "hr",
        None,
        "人力行政",
        12,
        Feishu,
        "人力行政经理",
        &["招聘专员", "薪酬专员", "员工关系专员", "行政专员", "培训专员", "前台"],
    )
    .others_also(1, DingTalk),
    unit(
        "fi",
        None,
        "财务部",
        10,
        Feishu,
        "财务经理",
        &["总账会计", "成本会计", "应收会计", "应付会计", "经营分析师", "出纳"],
    ),
];

/// A colleague, before a platform gives them ids.
#[derive(Debug, Clone)]
pub(crate) struct Employee {
    pub number: usize,
    pub family: &'static str,
    pub name: String,
    /// Family and given name in Latin letters.
    pub latin: (String, String),
    pub unit: usize,
    pub title: &'static str,
    /// Index of the manager.
    pub leader: Option<usize>,
    pub main: Platform,
    pub also: Option<Platform>,
    pub joined_on: Option<Day>,
    pub employment: Employment,
}

/// The newest colleagues by employee number: the first numbers of the last weeks before the demo's today.
const NEWCOMERS: usize = 9;

/// First day of the colleague who was the `rank`-th of 127 numbers: one after the other since March 2013,
/// the newest in September to November 2026.
fn joined(rank: usize) -> Option<Day> {
    const DAY_MS: i64 = 86_400_000;
    let after = |y, m, d, days: i64| {
        Day::new(y, m, d).and_then(|from| Day::in_china(Timestamp(from.midnight_in_china().millis() + days * DAY_MS)))
    };
    let rank = i64::try_from(rank).unwrap_or(0);
    match rank - (127 - i64::try_from(NEWCOMERS).unwrap_or(0)) {
        newest @ 0.. => after(2026, 9, 1, newest * 10),
        _ => after(2013, 3, 4, rank * 41),
    }
}

impl Employee {
    /// Where they sit: headquarters, the plant, the sales office.
    fn office(&self) -> &'static str {
        match self.main {
            Feishu => "上海",
            DingTalk => "苏州",
            WeCom => "深圳",
        }
    }

    pub fn is_on(&self, platform: Platform) -> bool {
        self.main == platform || self.also == Some(platform)
    }

    pub fn employee_no(&self) -> String {
        format!("SL{:04}", self.number)
    }

    /// The platforms number their people in their own ways; only the employee number is the same.
    pub fn id(&self, platform: Platform) -> String {
        let (family, given) = &self.latin;
        match platform {
            Feishu => format!("{given}_{family}"),
            DingTalk => format!("sl{:04}", self.number),
            WeCom => format!("{family}{given}"),
        }
    }
}

/// Family names and their Latin form.
const FAMILY: [(&str, &str); 64] = [
    ("沈", "shen"),
    ("陆", "lu"),
    ("顾", "gu"),
    ("钱", "qian"),
    ("郑", "zheng"),
    ("冯", "feng"),
    ("许", "xu"),
    ("何", "he"),
    ("吕", "lyu"),
    ("施", "shi"),
    ("孔", "kong"),
    ("曹", "cao"),
    ("严", "yan"),
    ("金", "jin"),
    ("魏", "wei"),
    ("陶", "tao"),
    ("姜", "jiang"),
    ("戚", "qi"),
    ("谢", "xie"),
    ("邹", "zou"),
    ("喻", "yu"),
    ("柏", "bai"),
    ("窦", "dou"),
    ("章", "zhang"),
    ("苏", "su"),
    ("潘", "pan"),
    ("葛", "ge"),
    ("奚", "xi"),
    ("范", "fan"),
    ("彭", "peng"),
    ("郎", "lang"),
    ("鲁", "lu"),
    ("韦", "wei"),
    ("马", "ma"),
    ("苗", "miao"),
    ("凤", "feng"),
    ("花", "hua"),
    ("方", "fang"),
    ("俞", "yu"),
    ("任", "ren"),
    ("袁", "yuan"),
    ("柳", "liu"),
    ("鲍", "bao"),
    ("史", "shi"),
    ("唐", "tang"),
    ("费", "fei"),
    ("廉", "lian"),
    ("岑", "cen"),
    ("薛", "xue"),
    ("雷", "lei"),
    ("贺", "he"),
    ("倪", "ni"),
    ("汤", "tang"),
    ("滕", "teng"),
    ("殷", "yin"),
    ("罗", "luo"),
    ("毕", "bi"),
    ("郝", "hao"),
    ("邬", "wu"),
    ("安", "an"),
    ("常", "chang"),
    ("乐", "yue"),
    ("于", "yu"),
    ("时", "shi"),
];

/// Given names and their Latin form.
const GIVEN: [(&str, &str); 84] = [
    ("知行", "zhixing"),
    ("予安", "yuan"),
    ("望舒", "wangshu"),
    ("青禾", "qinghe"),
    ("一苇", "yiwei"),
    ("砚秋", "yanqiu"),
    ("书宁", "shuning"),
    ("嘉树", "jiashu"),
    ("若谷", "ruogu"),
    ("令仪", "lingyi"),
    ("怀瑾", "huaijin"),
    ("思远", "siyuan"),
    ("清越", "qingyue"),
    ("明朗", "minglang"),
    ("听澜", "tinglan"),
    ("乐山", "leshan"),
    ("南星", "nanxing"),
    ("景行", "jingxing"),
    ("晓棠", "xiaotang"),
    ("云舟", "yunzhou"),
    ("亦辰", "yichen"),
    ("初夏", "chuxia"),
    ("沐阳", "muyang"),
    ("远山", "yuanshan"),
    ("采薇", "caiwei"),
    ("知夏", "zhixia"),
    ("长风", "changfeng"),
    ("星河", "xinghe"),
    ("静姝", "jingshu"),
    ("言蹊", "yanxi"),
    ("朝晖", "zhaohui"),
    ("雨桐", "yutong"),
    ("子墨", "zimo"),
    ("立夏", "lixia"),
    ("秋实", "qiushi"),
    ("修远", "xiuyuan"),
    ("可心", "kexin"),
    ("冬青", "dongqing"),
    ("百川", "baichuan"),
    ("映雪", "yingxue"),
    ("承志", "chengzhi"),
    ("念安", "nianan"),
    ("松年", "songnian"),
    ("月白", "yuebai"),
    ("鹤鸣", "heming"),
    ("含章", "hanzhang"),
    ("以宁", "yining"),
    ("照野", "zhaoye"),
    ("惟实", "weishi"),
    ("新雨", "xinyu"),
    ("守拙", "shouzhuo"),
    ("林溪", "linxi"),
    ("见山", "jianshan"),
    ("小满", "xiaoman"),
    ("文朗", "wenlang"),
    ("安歌", "ange"),
    ("谷雨", "guyu"),
    ("卓然", "zhuoran"),
    ("时雨", "shiyu"),
    ("佳木", "jiamu"),
    ("致远", "zhiyuan"),
    ("问渠", "wenqu"),
    ("水清", "shuiqing"),
    ("行之", "xingzhi"),
    ("宛如", "wanru"),
    ("正言", "zhengyan"),
    ("溪亭", "xiting"),
    ("又青", "youqing"),
    ("梓南", "zinan"),
    ("和光", "heguang"),
    ("霜白", "shuangbai"),
    ("桥安", "qiaoan"),
    ("桂舟", "guizhou"),
    ("弘毅", "hongyi"),
    ("泊远", "boyuan"),
    ("晴川", "qingchuan"),
    ("雁来", "yanlai"),
    ("半夏", "banxia"),
    ("石青", "shiqing"),
    ("既明", "jiming"),
    ("小寒", "xiaohan"),
    ("乔木", "qiaomu"),
    ("允执", "yunzhi"),
    ("拾遗", "shiyi"),
];

/// Everybody, the same every time.
pub(crate) fn employees() -> Vec<Employee> {
    let mut dice = Dice::part(126, "names");
    let mut names: Vec<(usize, usize)> = Vec::new();
    // Each family name about twice, each given name once or twice: no two people share a name, and
    // no two share a Latin id.
    let (mut families, mut givens): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let mut f: Vec<usize> = (0..FAMILY.len()).collect();
        let mut g: Vec<usize> = (0..GIVEN.len()).collect();
        dice.shuffle(&mut f);
        dice.shuffle(&mut g);
        families.append(&mut f);
        givens.append(&mut g);
    }
    let mut used = BTreeSet::new();
    for (f, g) in families.into_iter().zip(givens) {
        let (Some(family), Some(given)) = (FAMILY.get(f), GIVEN.get(g)) else {
            continue;
        };
        // `时时雨` is no name.
        if !given.0.contains(family.0) && used.insert((family.1, given.1)) {
            names.push((f, g));
        }
    }

    let mut all: Vec<Employee> = Vec::new();
    let mut leaders: Vec<(&str, usize)> = Vec::new();
    let mut names = names.into_iter();
    for (index, unit) in UNITS.iter().enumerate() {
        let parent = unit.parent.and_then(|p| leaders.iter().find(|(key, _)| *key == p));
        let above = parent
            .map(|(_, at)| *at)
            .or(if all.is_empty() { None } else { Some(0) });
        let own = all.len();
        for seat in 0..unit.heads {
            let Some((f, g)) = names.next() else { break };
            let (Some(&(family, family_latin)), Some(&(given, given_latin))) = (FAMILY.get(f), GIVEN.get(g)) else {
                continue;
            };
            let head = seat == 0;
            let title = match unit.titles {
                _ if head => unit.leader,
                [] => unit.leader,
                titles => titles.get((seat - 1) % titles.len()).copied().unwrap_or(unit.leader),
            };
            let also = match unit.others_also {
                _ if head => unit.leader_also,
                Some((count, platform)) if seat <= count => Some(platform),
                _ => None,
            };
            let rank = (all.len() * 37) % 127;
            // One in twelve below the leaders is not of the staff; a few of the newest are interns.
            let employment = match rank {
                _ if head => Employment::Regular,
                rank if rank % 10 == 4 && rank % 20 == 4 => Employment::Contractor,
                rank if rank % 10 == 4 => Employment::Outsourced,
                rank if rank + NEWCOMERS >= 127 && rank % 3 == 0 => Employment::Intern,
                _ => Employment::Regular,
            };
            all.push(Employee {
                // People have joined in no order of departments.
                number: 100 + rank * 3,
                family,
                name: format!("{family}{given}"),
                latin: (family_latin.to_owned(), given_latin.to_owned()),
                unit: index,
                title,
                leader: if head { above } else { Some(own) },
                main: unit.main,
                also,
                joined_on: joined(rank),
                employment,
            });
        }
        leaders.push((unit.key, own));
    }
    all
}

/// The id of a unit on a platform: two of them number departments.
pub(crate) fn department_id(unit: usize, platform: Platform) -> String {
    match platform {
        Feishu => UNITS.get(unit).map_or_else(String::new, |u| format!("od_{}", u.key)),
        DingTalk => format!("{}", 88_001_000 + unit * 17),
        WeCom => format!("{}", 2 + unit),
    }
}

/// The company as the directory of one platform shows it: the people who have an account there, and
/// the departments they need.
pub fn org(platform: Platform) -> Org {
    let all = employees();
    let here: Vec<&Employee> = all.iter().filter(|e| e.is_on(platform)).collect();
    let mut needed = BTreeSet::new();
    for employee in &here {
        let mut next = Some(employee.unit);
        while let Some(unit) = next {
            needed.insert(unit);
            next = UNITS
                .get(unit)
                .and_then(|u| u.parent)
                .and_then(|p| UNITS.iter().position(|u| u.key == p));
        }
    }
    let departments = needed
        .iter()
        .filter_map(|&index| {
            let unit = UNITS.get(index)?;
            let parent = unit.parent.and_then(|p| UNITS.iter().position(|u| u.key == p));
            Some(SimDepartment {
                id: department_id(index, platform),
                parent: parent.map(|p| department_id(p, platform)),
                name: unit.name.to_owned(),
            })
        })
        .collect();
    let people = here
        .iter()
        .map(|e| SimPerson {
            id: e.id(platform),
            name: e.name.clone(),
            employee_no: e.employee_no(),
            department: department_id(e.unit, platform),
            email: format!("{}.{}@{DOMAIN}", e.latin.1, e.latin.0),
            // No mobile number in China begins with 12.
            mobile: format!("1200000{:04}", e.number),
            title: e.title.to_owned(),
            leader: e
                .leader
                .and_then(|at| all.get(at))
                .filter(|boss| boss.is_on(platform))
                .map(|boss| boss.id(platform)),
            active: true,
            joined_on: e.joined_on,
            office: Some(e.office().to_owned()),
            employment: Some(e.employment),
        })
        .collect();
    Org { departments, people }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_company_of_126_people_in_7_departments() {
        let all = employees();
        assert_eq!(all.len(), 126);
        assert_eq!(UNITS.iter().filter(|u| u.parent.is_none()).count(), 7);
        let names: HashSet<&str> = all.iter().map(|e| e.name.as_str()).collect();
        let numbers: HashSet<usize> = all.iter().map(|e| e.number).collect();
        assert_eq!((names.len(), numbers.len()), (126, 126));
        let two = all.iter().filter(|e| e.also.is_some()).count();
        assert!((8..=14).contains(&two), "{two} people on two platforms");
        assert_eq!(
            Platform::ALL.map(|p| all.iter().filter(|e| e.main == p).count()),
            [61, 47, 18]
        );
    }

    #[test]
    fn first_days_and_kinds_of_employment_are_those_of_a_company() {
        let all = employees();
        let share = all.iter().filter(|e| e.employment.is_contractor()).count() as f64 / all.len() as f64;
        assert!((0.06..0.10).contains(&share), "{share}");
        assert!(all.iter().any(|e| e.employment == Employment::Intern));
        let new = Day::new(2026, 9, 1);
        let newcomers = all.iter().filter(|e| e.joined_on >= new).count();
        assert!((8..=9).contains(&newcomers), "{newcomers}");
        assert!(
            all.iter()
                .all(|e| e.joined_on.is_some() && e.joined_on <= Day::new(2026, 11, 24))
        );
        // A lower number has been here longer.
        let mut by_number: Vec<_> = all.iter().map(|e| (e.number, e.joined_on)).collect();
        by_number.sort_unstable();
        assert!(by_number.is_sorted_by_key(|(_, day)| *day));
        for platform in Platform::ALL {
            let org = org(platform);
            let new = org.people.iter().filter(|p| p.joined_on >= new).count();
            let contractors = org
                .people
                .iter()
                .filter(|p| p.employment.is_some_and(Employment::is_contractor));
            assert!(new > 0 && contractors.count() > 0, "{platform}");
        }
    }

    #[test]
    fn every_directory_is_consistent() {
        for platform in Platform::ALL {
            let org = org(platform);
            let ids: HashSet<&str> = org.people.iter().map(|p| p.id.as_str()).collect();
            assert_eq!(ids.len(), org.people.len(), "{platform}: ids are unique");
            let departments: HashSet<&str> = org.departments.iter().map(|d| d.id.as_str()).collect();
            for d in &org.departments {
                assert!(d.parent.as_deref().is_none_or(|p| departments.contains(p)), "{d:?}");
            }
            for p in &org.people {
                let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(
                    (1..=32).contains(&p.id.len()) && p.id.chars().all(ok),
                    "{platform}: {}",
                    p.id
                );
                assert!(departments.contains(p.department.as_str()), "{p:?}");
                assert!(
                    p.leader.as_deref().is_none_or(|l| ids.contains(l) && l != p.id),
                    "{p:?}"
                );
                assert!(p.email.ends_with(".example") && p.mobile.starts_with("12") && p.mobile.len() == 11);
            }
        }
        let [feishu, dingtalk, wecom] = Platform::ALL.map(org);
        assert!(feishu.people.len() > 61 && dingtalk.people.len() > 47 && wecom.people.len() > 18);
        let number = |o: &Org| o.people.iter().map(|p| p.employee_no.clone()).collect::<HashSet<_>>();
        let both = number(&feishu).intersection(&number(&dingtalk)).count();
        assert!(both >= 4, "{both} people are known to Feishu and DingTalk");
        assert_eq!(org(Platform::WeCom), wecom, "the same every time");
    }
}
