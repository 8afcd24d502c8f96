use super::*;
use crate::commands::Registry;
use crate::rules::testkit::{company, department, record, user};
use crate::store::testing::all;

const NOW: Timestamp = Timestamp(1_000_000);

async fn person(tx: &mut Tx, id: &str, departments: &[&str]) -> Person {
    let mut directory = crate::directory::Directory::new(tx);
    let record = record(id, id, departments);
    let id = directory
        .upsert_person(&company(), Platform::Feishu, &record, NOW)
        .await
        .unwrap();
    directory.person(&id).await.unwrap().unwrap()
}

fn grant_for(subject: Subject, role: Role, scope: Scope) -> Grant {
    Grant {
        company: company(),
        subject,
        role,
        scope,
    }
}

#[tokio::test]
async fn roles_are_found_by_person_account_and_employee_number() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        // The grants are there before anybody was met.
        let account = grant_for(
            Subject::Account(Platform::Feishu, user("ou_a")),
            Role::Operator,
            Scope::All,
        );
        let number = grant_for(
            Subject::Employee("OU_B".into()),
            Role::Editor,
            Scope::Department("研发中心".into()),
        );
        sync_config_roles(&mut tx, &[account.clone(), number], NOW)
            .await
            .unwrap();
        let a = person(&mut tx, "ou_a", &[]).await;
        let b = person(&mut tx, "ou_b", &[]).await;
        assert_eq!(
            rights_of(&mut tx, &a.id).await.unwrap().0,
            [(Role::Operator, Scope::All)].into()
        );
        assert_eq!(
            rights_of(&mut tx, &b.id).await.unwrap().0,
            [(Role::Editor, Scope::Department("研发中心".into()))].into()
        );
        assert_eq!(
            holders(&mut tx, &company(), &[Role::Operator], &Place::default())
                .await
                .unwrap(),
            std::slice::from_ref(&a.id)
        );
        // What the configuration no longer says is over at once; what was given by command stays.
        let by_command = grant_for(Subject::Person(b.id.clone()), Role::Auditor, Scope::All);
        grant(&mut tx, &by_command, &a.id, NOW).await.unwrap();
        sync_config_roles(&mut tx, &[], NOW).await.unwrap();
        assert_eq!(rights_of(&mut tx, &a.id).await.unwrap().0, [].into());
        assert_eq!(
            rights_of(&mut tx, &b.id).await.unwrap().0,
            [(Role::Auditor, Scope::All)].into()
        );
        assert!(revoke(&mut tx, &by_command, &a.id, NOW).await.unwrap());
        assert!(!revoke(&mut tx, &by_command, &a.id, NOW).await.unwrap());
        let trail = tx.query("SELECT action FROM audit ORDER BY id").all().await.unwrap();
        let trail: Vec<String> = trail.iter().map(|r| r.get("action").unwrap()).collect();
        assert_eq!(trail, ["role.grant", "role.revoke"], "{}", test.name);
        // Another company's grant for the same number is not this company's.
        let other = Grant {
            company: CompanyId::new("other").unwrap(),
            ..account
        };
        sync_config_roles(&mut tx, &[other], NOW).await.unwrap();
        assert_eq!(rights_of(&mut tx, &a.id).await.unwrap().0, [].into());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_leaver_has_no_rights_from_that_moment_on() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let a = person(&mut tx, "ou_a", &[]).await;
        let admin = grant_for(Subject::Person(a.id.clone()), Role::Admin, Scope::All);
        sync_config_roles(&mut tx, &[admin], NOW).await.unwrap();
        assert!(matches!(
            allowed(&mut tx, &a, &[Role::Operator], None).await.unwrap(),
            Allowed::Yes(_)
        ));
        crate::directory::Directory::new(&mut tx)
            .person_left(&a.id, NOW)
            .await
            .unwrap();
        assert!(matches!(
            allowed(&mut tx, &a, &[Role::Operator], None).await.unwrap(),
            Allowed::No(_)
        ));
        let a = crate::directory::Directory::new(&mut tx)
            .person(&a.id)
            .await
            .unwrap()
            .unwrap();
        assert!(matches!(
            allowed(&mut tx, &a, &[Role::Member], None).await.unwrap(),
            Allowed::No(_)
        ));
    }
}

#[tokio::test]
async fn a_department_scope_reaches_its_groups_and_what_is_below() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let mut directory = crate::directory::Directory::new(&mut tx);
        for d in [
            department("0", None, "海星"),
            department("rd", Some("0"), "研发中心"),
            department("emb", Some("rd"), "嵌入式组"),
            department("mk", Some("0"), "市场部"),
            // A cycle, as a broken directory may have it.
            department("x", Some("y"), "X"),
            department("y", Some("x"), "Y"),
        ] {
            directory
                .upsert_department(&company(), Platform::Feishu, &d, NOW)
                .await
                .unwrap();
        }
        let row = |d: &str| crate::directory::department_row_id(&company(), Platform::Feishu, d);
        tx.query("INSERT INTO group_chat (rule, department, app, chat_id, name, state, detail, updated_at) VALUES ('r', $1, 'fs', 'oc_1', 'n', 'ready', '', 1)")
            .bind(row("emb"))
            .execute()
            .await
            .unwrap();
        let app = AppId::new("fs").unwrap();
        let place = place_of_chat(&mut tx, &app, &ChatId::new("oc_1").unwrap())
            .await
            .unwrap();
        assert_eq!(place.chat.as_deref(), Some("fs:oc_1"));
        for (scope, reaches) in [
            (Scope::All, true),
            (Scope::Department("研发中心".into()), true),
            (Scope::Department(row("rd")), true),
            (Scope::Department("市场部".into()), false),
            (Scope::Chat("fs:oc_1".into()), true),
            (Scope::Chat("fs:oc_2".into()), false),
        ] {
            assert_eq!(scope.covers(&place), reaches, "{scope:?}");
        }
        assert!(place_of_department(&mut tx, &row("x")).await.unwrap().departments.len() <= 100);
        let elsewhere = place_of_chat(&mut tx, &app, &ChatId::new("oc_9").unwrap())
            .await
            .unwrap();
        assert!(elsewhere.departments.is_empty());
    }
}

#[tokio::test]
async fn an_approval_needs_another_person_and_counts_once() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let a = person(&mut tx, "ou_a", &[]).await.id;
        let b = person(&mut tx, "ou_b", &[]).await.id;
        let id = request_approval(&mut tx, "groups", "apply", "{}", &a, NOW)
            .await
            .unwrap();
        assert_eq!(
            decide_approval(&mut tx, &id, &a, true, NOW).await.unwrap(),
            Decided::OwnRequest
        );
        let late = NOW + APPROVAL_VALID + Duration::from_millis(1);
        assert_eq!(
            decide_approval(&mut tx, &id, &b, true, late).await.unwrap(),
            Decided::Expired
        );
        assert!(
            matches!(decide_approval(&mut tx, &id, &b, true, NOW).await.unwrap(), Decided::Now(x) if x.body == "{}")
        );
        assert_eq!(
            decide_approval(&mut tx, &id, &b, false, NOW).await.unwrap(),
            Decided::Already { approved: true }
        );
        assert_eq!(
            decide_approval(&mut tx, "none", &b, true, NOW).await.unwrap(),
            Decided::NotFound
        );
    }
}

/// Every command, every role, every scope, every place, against a table written the other way
/// round: what a role held so may reach.
#[test]
fn no_command_is_allowed_to_anybody_it_was_not_given_to() {
    let registry = Registry::build([
        (crate::rules::service::NAME, crate::rules::service::COMMANDS),
        (crate::rules::groups::NAME, crate::rules::groups::COMMANDS),
        ("points", crate::rules::points::commands::COMMANDS),
        ("columns", crate::rules::columns::commands::COMMANDS),
        ("reports", crate::rules::reports::commands::COMMANDS),
    ])
    .unwrap();
    let scopes = [
        Scope::All,
        Scope::Chat("fs:oc_1".into()),
        Scope::Chat("fs:oc_2".into()),
        Scope::Department("研发中心".into()),
        Scope::Department("市场部".into()),
        Scope::Chat("oc_1".into()),
        Scope::Chat("oc".into()),
    ];
    let place = |chat: Option<&str>, departments: &[&str]| Place {
        chat: chat.map(str::to_owned),
        departments: departments.iter().map(|d| (*d).to_owned()).collect(),
    };
    // Index of the scopes above that reach each place.
    let places: [(Place, &[usize]); 4] = [
        (place(None, &[]), &[0]),
        (place(Some("fs:oc_1"), &[]), &[0, 1, 5]),
        (place(Some("fs:oc_1"), &["研发中心"]), &[0, 1, 3, 5]),
        (place(None, &["市场部", "海星"]), &[0, 4]),
    ];
    let mut cells = 0;
    for entry in registry.entries() {
        let wanted = entry.spec.roles;
        assert!(!wanted.is_empty(), "{} can be used by nobody", entry.spec.id);
        for (place, reached_by) in &places {
            let free = wanted.contains(&Role::Member);
            assert_eq!(Rights::default().allows(wanted, place), free, "{}", entry.spec.id);
            for role in Role::ALL {
                for (index, scope) in scopes.iter().enumerate() {
                    let rights = Rights([(role, scope.clone())].into());
                    let fits = role == Role::Admin || wanted.contains(&role);
                    let expected = free || (fits && reached_by.contains(&index));
                    let got = verdict(rights, wanted, place);
                    assert_eq!(
                        matches!(got, Allowed::Yes(_)),
                        expected,
                        "{} as {role:?} in {scope:?} at {place:?}",
                        entry.spec.id
                    );
                    assert_eq!(matches!(got, Allowed::No(_)), !free && !fits);
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, registry.entries().len() * 4 * 8 * 7);
}
