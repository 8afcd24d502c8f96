//! What people are told about days.

use super::*;
use crate::access::Scope;
use crate::access::store::{Grant, Subject, sync_config_roles};
use crate::rules::fake::{World, at, company, text};
use crate::schedule::WorkdayTable;
use crate::store::testing;

fn rule(table: WorkdayTable) -> CalendarRule {
    CalendarRule::new(Arc::new(WorkCalendar::plain(chrono_tz::Asia::Shanghai, table)))
}

#[tokio::test]
async fn a_month_with_its_holidays_and_company_days() {
    for t in testing::all().await.unwrap() {
        let mut w = World::new(&t.store, "2026-02-10T10:00");
        let rule = rule(WorkdayTable::china().unwrap());
        let boss = w.person("fs", "boss", "王芳").await;
        let month = |m: &str| [("month", text(m))];
        let said = w
            .command(&rule, "calendar.month", &boss, None, &[])
            .await
            .unwrap()
            .to("reply direct");
        assert!(said.contains("2026年2月 · 工作日 16 天"), "{said}");
        assert!(
            said.contains("放假 02-15 至 02-23 春节") && said.contains("调休上班 02-14 02-28"),
            "{said}"
        );
        let dec = w
            .command(&rule, "calendar.month", &boss, None, &month("2026-12"))
            .await
            .unwrap();
        assert!(dec.to("reply direct").contains("工作日 23 天"));

        let day = |d: &str, n: &str| [("dates", text(d)), ("name", text(n))];
        let set = w
            .command(&rule, "calendar.holiday", &boss, None, &day("2026-12-31", "公司调休"))
            .await
            .unwrap();
        assert!(set.to("reply direct").contains("12-31 公司调休 放假"));
        let again = w
            .command(&rule, "calendar.holiday", &boss, None, &day("2026-12-31", "公司调休"))
            .await
            .unwrap();
        assert!(again.to("reply direct").contains("没有变化"));
        let dec = w
            .command(&rule, "calendar.month", &boss, None, &month("2026-12"))
            .await
            .unwrap();
        let said = dec.to("reply direct");
        assert!(
            said.contains("工作日 22 天") && said.contains("放假 12-31 公司调休"),
            "{said}"
        );
        let row = t
            .store
            .query("SELECT COUNT(*) AS n FROM audit WHERE action = 'calendar.day_off'")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), 1);

        // The notice wins.
        let no = w
            .command(&rule, "calendar.holiday", &boss, None, &day("2026-10-01", "取消"))
            .await
            .unwrap();
        assert!(no.to("reply direct").contains("以那里为准"));
        let off = w
            .command(&rule, "calendar.holiday", &boss, None, &day("2026-12-31", "取消"))
            .await
            .unwrap();
        assert!(off.to("reply direct").contains("已取消 1 天"));

        let mine = w
            .command(
                &rule,
                "calendar.mine",
                &boss,
                None,
                &[("dates", text("2026-12-01..2026-12-03"))],
            )
            .await;
        assert!(mine.unwrap().to("reply direct").contains("12-01 至 12-03"));
        let dec = w
            .command(&rule, "calendar.month", &boss, None, &month("2026-12"))
            .await
            .unwrap();
        assert!(dec.to("reply direct").contains("我休 12-01 12-02 12-03"));
        for bad in ["2026-02-30", "2026-12-03..2026-12-01", "明天", "2026-01-01..2030-01-01"] {
            let no = w
                .command(&rule, "calendar.mine", &boss, None, &[("dates", text(bad))])
                .await
                .unwrap();
            assert!(no.to("reply direct").contains("没看懂日期"), "{bad}");
        }
    }
}

#[tokio::test]
async fn operators_hear_daily_that_next_year_is_missing() {
    for t in testing::all().await.unwrap() {
        let mut w = World::new(&t.store, "2026-12-09T09:30");
        let rule = rule(WorkdayTable::china().unwrap());
        let boss = w.person("fs", "boss", "王芳").await;
        let mut tx = t.store.begin().await.unwrap();
        let grant = Grant {
            company: company(),
            subject: Subject::Person(boss.id.clone()),
            role: Role::Operator,
            scope: Scope::All,
        };
        sync_config_roles(&mut tx, &[grant], w.now).await.unwrap();
        tx.commit().await.unwrap();
        for (day, told) in [
            ("2026-12-09", 0),
            ("2026-12-10", 1),
            ("2026-12-11", 1),
            ("2027-01-02", 0),
        ] {
            let minute = format!("{day}T09:30");
            let body = Body::Tick {
                schedule: "calendar:~year".into(),
                slot: at(&minute),
                local: minute.clone(),
            };
            let left = w.event(&rule, &format!("tick {day}"), body).await.unwrap();
            assert_eq!(left.said().len(), told, "{day}: {:?}", left.said());
            assert!(
                left.said()
                    .iter()
                    .all(|(to, say)| to == "user boss" && say.contains("2027 年的放假安排"))
            );
        }
        // And `/health` says what is done meanwhile.
        assert!(rule.health_lines(at("2026-11-24T10:00"), Lang::Zh).is_empty());
        let lines = rule.health_lines(at("2026-12-15T10:00"), Lang::Zh);
        assert!(
            lines[0].contains("2027") && lines[0].contains("周一到周五"),
            "{lines:?}"
        );
    }
}

#[test]
fn days_are_typed_one_or_two() {
    // `dates` takes one day or two with dots; nothing else.
    assert_eq!(dates("2026-12-01").map(|(a, b)| a == b), Some(true));
    assert!(dates("2026-12-01..").is_none() && dates("..").is_none());
}
