//! What the platforms tell about people reaches the questions that operators ask.

use crate::support::{Db, EVERYWHERE, On, TestBot, story};

const SEGMENT: &str = "[[segment]]\nid = \"new\"\ntitle = \"新同事\"\nwhere = \"tenure_days < 90\"\n";

/// What the bot answers in private.
async fn answer(bot: &TestBot, text: &str) -> String {
    bot.tells("u_chen", text).await;
    bot.private("u_chen").pop().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenure_office_and_employment_come_from_every_platform() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        bot.restart(SEGMENT).await;
        let new = answer(&bot, "/分层 查询 新同事").await;
        assert!(new.contains("1 人") && new.contains("吴桐"), "{}: {new}", bot.name);
        // Eight people are known and nothing about them is unknown.
        assert!(
            new.contains("能看到的 8 人") && !new.contains("另有"),
            "{}: {new}",
            bot.name
        );

        let outside = answer(&bot, "/分层 查询 contractor").await;
        assert!(
            outside.contains("2 人") && outside.contains("孙悦") && outside.contains("何田"),
            "{}: {outside}",
            bot.name
        );
        let there = answer(&bot, "/分层 查询 \"contractor and office is '苏州'\"").await;
        assert!(
            there.contains("1 人") && there.contains("何田") && !there.contains("孙悦"),
            "{}: {there}",
            bot.name
        );
        let old = answer(&bot, "/分层 查询 \"not contractor and tenure_days >= 90\"").await;
        assert!(old.contains("5 人") && !old.contains("吴桐"), "{}: {old}", bot.name);
        bot
    })
    .await;
}

/// An AI bot whose creator is no super administrator is told encrypted ids: the self-built app says whose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_id_becomes_the_person_it_stands_for() {
    for db in [Db::Sqlite, Db::Postgres] {
        let Some(mut bot) = TestBot::start(On::WeCom, db).await else {
            continue;
        };
        let people = "SELECT COUNT(*) AS n FROM person WHERE active = TRUE";
        assert_eq!(bot.count(people).await, 8);
        bot.stage.wecom().encrypt_ids("wc-bot");
        // The encrypted id is first tried as a plain one, and a stranger cannot be written to.
        bot.may_complain("60111");
        bot.may_complain("81013");
        bot.may_end_in("rejected");
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "/积分").await;
        assert_eq!(bot.count(people).await, 9, "{}: a stranger", bot.name);
        bot.read_asked().await;
        assert_eq!(bot.count(people).await, 8, "{}: nobody new", bot.name);
        let known = "SELECT COUNT(*) AS n FROM identity i JOIN person p ON p.id = i.person \
                     WHERE p.name = '林立' AND p.active = TRUE AND i.user_id LIKE 'wo%'";
        assert_eq!(bot.count(known).await, 1, "{}", bot.name);
        let member = "SELECT COUNT(*) AS n FROM chat_member m JOIN person p ON p.id = m.person \
                      WHERE p.name = '林立' AND m.left_at IS NULL AND m.app = 'wc-bot'";
        assert_eq!(bot.count(member).await, 1, "{}", bot.name);
        // From now on they are themselves: what they earn is theirs on every door.
        bot.asks("u_chen", &group, "感谢 <@u_lin> 帮我定位了驱动问题").await;
        bot.read_asked().await;
        let before = bot.private("u_lin").len();
        bot.asks("u_lin", &group, "/积分").await;
        assert_eq!(bot.count(people).await, 8, "{}", bot.name);
        assert_eq!(bot.private("u_lin").len(), before + 1, "{}: they are reached", bot.name);
        bot.finish().await;
    }
}

/// Neither addresses nor numbers are in the database, only what recognises them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_and_mobile_are_kept_as_hashes_only() {
    use hutong::directory::contact::{Contact, people_with};
    let company = hutong_model::CompanyId::new("main").unwrap();
    for on in [On::Feishu, On::DingTalk] {
        let Some(bot) = TestBot::start(on, Db::Sqlite).await else {
            continue;
        };
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM person_contact").await,
            16,
            "{}",
            bot.name
        );
        let clear = "SELECT COUNT(*) AS n FROM person_contact WHERE hash LIKE '%@%' OR hash LIKE '%1990000%'";
        assert_eq!(bot.count(clear).await, 0);
        let mut tx = bot.system().store.begin().await.unwrap();
        let wu = people_with(&mut tx, &company, Contact::Mobile, "+86 199-0000-0003")
            .await
            .unwrap();
        let same = people_with(&mut tx, &company, Contact::Email, "U_WU@shiliu.example")
            .await
            .unwrap();
        assert_eq!((wu.len(), &wu), (1, &same), "{}", bot.name);
        let nobody = people_with(&mut tx, &company, Contact::Mobile, "19900000099")
            .await
            .unwrap();
        assert!(nobody.is_empty());
        tx.rollback().await.unwrap();
        bot.finish().await;
    }
}
