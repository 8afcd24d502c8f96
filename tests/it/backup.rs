//! The drill: a backup is taken while the bot works, the bot loses its database, and goes on from the
//! backup on another one, of the same kind or not.

use std::path::PathBuf;

use hutong::backup::{BackupError, backup, inspect};
use hutong::delivery::store as outbox;
use hutong::inbox::worker::InboxSink;
use hutong_model::{Clock as _, CompanyId};

use crate::support::{Db, Group, On, TestBot};

async fn pause(bot: &TestBot, paused: bool) {
    let mut tx = bot.system().store.begin().await.unwrap();
    outbox::pause_all(&mut tx, paused, bot.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn thanks(bot: &TestBot, giver: &str, group: &Group) {
    bot.asks(giver, group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
    bot.settle().await;
}

/// A bot with one thank-you told and one whose messages wait, and a backup of it.
async fn with_backup(db: Db) -> Option<(TestBot, Group, tempfile::TempDir, PathBuf)> {
    let bot = TestBot::start(On::Feishu, db).await?;
    let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
    let before = bot.said(&group).len();
    thanks(&bot, "u_chen", &group).await;
    assert_eq!(bot.said(&group).len(), before + 1, "{}", bot.name);
    pause(&bot, true).await;
    thanks(&bot, "u_lin", &group).await;
    assert_eq!(bot.said(&group).len(), before + 1, "{}", bot.name);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hutong.backup");
    let company = bot.system().config.company.id.clone();
    let contents = backup(&bot.place.url, &company, &file, bot.clock.now()).await.unwrap();
    assert_eq!(contents.ledger_transactions, 2, "{}", bot.name);
    assert_eq!(inspect(&file).await.unwrap(), contents);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["hutong.backup"], "one file and nothing beside it");
    Some((bot, group, folder, file))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_leaves_once_after_an_operator_has_said_so() {
    for (from, to) in pairs() {
        let Some((mut bot, group, _folder, file)) = with_backup(from).await else {
            continue;
        };
        let before = (bot.said(&group).len(), bot.private("u_wu").len());
        let Some(restored) = bot.restore(&file, to).await else {
            continue;
        };
        let name = format!("{} restored to {to:?}", bot.name);
        assert!(restored.held > 0, "{name}");
        bot.settle().await;
        assert_eq!(
            (bot.said(&group).len(), bot.private("u_wu").len()),
            before,
            "{name}: nothing leaves by itself"
        );
        pause(&bot, false).await;
        bot.settle().await;
        assert_eq!(
            (bot.said(&group).len(), bot.private("u_wu").len()),
            before,
            "{name}: what is held stays"
        );
        let mut tx = bot.system().store.begin().await.unwrap();
        let released = outbox::release_held(&mut tx, None, bot.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(released, restored.held, "{name}");
        bot.settle().await;
        let after = (bot.said(&group).len(), bot.private("u_wu").len());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "{name}: {:#?}", bot.outbox().await);
        bot.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_lost_hours_nothing_is_said_or_booked_twice() {
    for (from, to) in pairs() {
        let Some((mut bot, group, _folder, file)) = with_backup(from).await else {
            continue;
        };
        // The hours that the backup does not know: what waited has left.
        let repeat = bot.recorder.last();
        pause(&bot, false).await;
        bot.settle().await;
        let before = (bot.said(&group).len(), bot.private("u_wu").len());
        let Some(restored) = bot.restore(&file, to).await else {
            continue;
        };
        let name = format!("{} restored to {to:?}", bot.name);
        // The platform repeats what it had sent before the backup.
        let events = bot.count("SELECT COUNT(*) AS n FROM inbox").await;
        let client = hutong_simkit::ladder::loopback_client(std::time::Duration::from_secs(10)).unwrap();
        let mut request = client
            .post(format!("http://{}{}", bot.running().address, repeat.path))
            .body(repeat.body.clone());
        for (header, value) in repeat
            .headers
            .iter()
            .filter(|(n, _)| n != "host" && n != "content-length")
        {
            request = request.header(header, value);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200, "{name}");
        bot.settle().await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM inbox").await,
            events,
            "{name}: a repeat is known"
        );
        // The operator looks into the group, sees that all of it is there, and lets go.
        let sink = InboxSink::new(std::sync::Arc::default());
        let mut tx = bot.system().store.begin().await.unwrap();
        let gone = outbox::abandon_held(&mut tx, &sink, None, bot.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(gone > 0 && gone == restored.held, "{name}: {gone}");
        bot.may_end_in("dropped");
        pause(&bot, false).await;
        bot.settle().await;
        assert_eq!((bot.said(&group).len(), bot.private("u_wu").len()), before, "{name}");
        // And goes on: new numbers follow the old ones.
        bot.clock.set(bot.clock.now() + std::time::Duration::from_secs(86_400));
        thanks(&bot, "u_lin", &group).await;
        assert_eq!(
            bot.said(&group).len(),
            before.0 + 1,
            "{name}: {:#?}",
            bot.outbox().await
        );
        assert_eq!(bot.count("SELECT COUNT(*) AS n FROM ledger_tx").await, 3, "{name}");
        bot.finish().await;
    }
}

fn pairs() -> [(Db, Db); 4] {
    [
        (Db::Sqlite, Db::Sqlite),
        (Db::Sqlite, Db::Postgres),
        (Db::Postgres, Db::Sqlite),
        (Db::Postgres, Db::Postgres),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_wrong_changes_nothing() {
    let (bot, _group, folder, file) = with_backup(Db::Sqlite).await.unwrap();
    let company = bot.system().config.company.id.clone();
    let now = bot.clock.now();
    let again = backup(&bot.place.url, &company, &file, now).await;
    assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");
    let nowhere = backup("sqlite:///nowhere/at/all.db", &company, &folder.path().join("n"), now).await;
    assert!(matches!(nowhere, Err(BackupError::Store(_))), "{nowhere:?}");
    assert!(!folder.path().join("n").exists() && !folder.path().join("n.part").exists());
    let url = format!("sqlite://{}", folder.path().join("target.db").display());
    let options = hutong::store::StoreOptions::default();
    let restore = |from: PathBuf, company: CompanyId, url: String| {
        let options = options.clone();
        async move { hutong::backup::restore(&url, &options, &company, &from, now).await }
    };
    let other = restore(file.clone(), CompanyId::new("other").unwrap(), url.clone()).await;
    assert!(matches!(other, Err(BackupError::OtherCompany { .. })), "{other:?}");
    let bytes = std::fs::read(&file).unwrap();
    // Cut short, spoiled in the middle, something else, nothing.
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let spoiled = folder.path().join("spoiled");
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle..middle + 8192].fill(0xff);
    std::fs::write(&spoiled, changed).unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database at all, but long enough to be read as one").unwrap();
    let store = folder.path().join("plain.db");
    hutong::store::Store::open(&format!("sqlite://{}", store.display()), &options)
        .await
        .unwrap()
        .close()
        .await;
    for wrong in [&cut, &spoiled, &text, &store, &folder.path().join("absent")] {
        let result = restore(wrong.clone(), company.clone(), url.clone()).await;
        let right = matches!(
            result,
            Err(BackupError::NotABackup { .. } | BackupError::Damaged { .. })
        );
        assert!(right, "{}: {result:?}", wrong.display());
    }
    assert!(!folder.path().join("target.db").exists(), "nothing was made");
    // A store in use is not written over.
    assert!(restore(file.clone(), company.clone(), url.clone()).await.is_ok());
    let twice = restore(file, company, url).await;
    assert!(matches!(twice, Err(BackupError::NotEmpty { .. })), "{twice:?}");
    let mut bot = bot;
    bot.may_end_in("ready");
    bot.finish().await;
}
