//! SQL of the directory.

use hutong_model::{
    AppId, ChatId, ChatKind, CompanyId, DepartmentRecord, Employment, PersonRecord, Platform, Timestamp, UserId,
};

use super::{ChatInfo, Department, Identity, Person, PersonId, Presence};
use crate::store::{Row, StoreError, Tx};

/// Row id of a department: platforms number departments each for itself.
pub fn department_row_id(company: &CompanyId, platform: Platform, dept: &str) -> String {
    format!("{company}:{platform}:{dept}")
}

/// The directory as one transaction sees it.
pub struct Directory<'t> {
    tx: &'t mut Tx,
}

const PERSON: &str = "SELECT p.id, p.company, p.name, p.employee_no, p.title, p.department, d.name AS department_name, \
     p.leader, p.language, p.active FROM person p LEFT JOIN department d ON d.id = p.department ";

impl<'t> Directory<'t> {
    pub fn new(tx: &'t mut Tx) -> Self {
        Self { tx }
    }

    pub async fn person(&mut self, id: &PersonId) -> Result<Option<Person>, StoreError> {
        let sql = format!("{PERSON} WHERE p.id = $1");
        self.tx
            .query(sql)
            .bind(id.as_str())
            .optional()
            .await?
            .as_ref()
            .map(read_person)
            .transpose()
    }

    /// The person behind an account, if they are known.
    pub async fn person_of(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        user: &UserId,
    ) -> Result<Option<Person>, StoreError> {
        let sql = format!(
            "{PERSON} JOIN identity i ON i.person = p.id WHERE i.company = $1 AND i.platform = $2 AND i.user_id = $3"
        );
        let row = self
            .tx
            .query(sql)
            .bind(company)
            .bind(platform.as_str())
            .bind(user)
            .optional()
            .await?;
        row.as_ref().map(read_person).transpose()
    }

    /// Active people with an account on a platform who have exactly this name; at most two, which is
    /// enough to see that a name is shared.
    pub async fn people_named(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        name: &str,
    ) -> Result<Vec<Person>, StoreError> {
        let sql = format!(
            "{PERSON} WHERE p.company = $1 AND p.name = $2 AND p.active AND p.id IN \
             (SELECT person FROM identity WHERE company = $1 AND platform = $3) ORDER BY p.id LIMIT 2"
        );
        let rows = self
            .tx
            .query(sql)
            .bind(company)
            .bind(name)
            .bind(platform.as_str())
            .all()
            .await?;
        rows.iter().map(read_person).collect()
    }

    /// The person behind an account; one who was never met before is entered with what is known,
    /// and completed by the next sync.
    pub async fn ensure_person(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        user: &UserId,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Person, StoreError> {
        if let Some(person) = self.person_of(company, platform, user).await? {
            return Ok(person);
        }
        let id = PersonId::derive(company, platform, user);
        self.tx
            .query(
                "INSERT INTO person (id, company, name, active, created_at) VALUES ($1, $2, $3, TRUE, $4) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(id.as_str())
            .bind(company)
            .bind(name.unwrap_or(user.as_str()))
            .bind(now)
            .execute()
            .await?;
        self.add_identity(company, platform, user, &id, true).await?;
        self.person(&id)
            .await?
            .ok_or_else(|| StoreError::Broken("a person who was just entered is not there".to_owned()))
    }

    async fn add_identity(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        user: &UserId,
        person: &PersonId,
        main: bool,
    ) -> Result<(), StoreError> {
        self.tx
            .query(
                "INSERT INTO identity (company, platform, user_id, person, is_main) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (company, platform, user_id) DO UPDATE SET person = excluded.person, is_main = excluded.is_main",
            )
            .bind(company)
            .bind(platform.as_str())
            .bind(user)
            .bind(person.as_str())
            .bind(main)
            .execute()
            .await
            .map(|_| ())
    }

    /// Enters or updates a person from the platform's directory. The same employee number in the
    /// same company is the same person.
    pub async fn upsert_person(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        record: &PersonRecord,
        now: Timestamp,
    ) -> Result<PersonId, StoreError> {
        let mut known = self.person_of(company, platform, &record.user).await?.map(|p| p.id);
        if known.is_none() {
            for alias in &record.aliases {
                if let Some(person) = self.person_of(company, platform, alias).await? {
                    known = Some(person.id);
                    break;
                }
            }
        }
        let by_number = match record.employee_no.as_deref().filter(|n| !n.is_empty()) {
            Some(number) => self
                .tx
                .query("SELECT id FROM person WHERE company = $1 AND employee_no = $2 ORDER BY created_at, id LIMIT 1")
                .bind(company)
                .bind(number)
                .optional()
                .await?
                .map(|row| read_id(&row, "id"))
                .transpose()?,
            None => None,
        };
        let id = by_number
            .or(known)
            .unwrap_or_else(|| PersonId::derive(company, platform, &record.user));
        let department = record
            .departments
            .first()
            .map(|d| department_row_id(company, platform, d.as_str()));
        let leader = match &record.leader {
            Some(user) => self
                .person_of(company, platform, user)
                .await?
                .map(|p| p.id.as_str().to_owned()),
            None => None,
        };
        let left_at = if record.active { None } else { Some(now) };
        self.tx
            .query(
                "INSERT INTO person (id, company, name, employee_no, title, department, leader, active, created_at, left_at, \
                   joined_on, office, employment, contractor) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                 ON CONFLICT (id) DO UPDATE SET \
                   name = CASE WHEN $15 THEN excluded.name ELSE person.name END, \
                   joined_on = COALESCE(excluded.joined_on, person.joined_on), \
                   office = COALESCE(excluded.office, person.office), \
                   employment = COALESCE(excluded.employment, person.employment), \
                   contractor = COALESCE(excluded.contractor, person.contractor), \
                   employee_no = COALESCE(excluded.employee_no, person.employee_no), \
                   title = COALESCE(excluded.title, person.title), \
                   department = COALESCE(excluded.department, person.department), \
                   leader = COALESCE(excluded.leader, person.leader), active = excluded.active, \
                   left_at = CASE WHEN excluded.active THEN NULL ELSE COALESCE(person.left_at, excluded.left_at) END",
            )
            .bind(id.as_str())
            .bind(company)
            // An app without the right to names is told none.
            .bind(match record.name.trim() {
                "" => record.user.as_str(),
                name => name,
            })
            .bind(record.employee_no.clone())
            .bind(record.title.clone())
            .bind(department)
            .bind(leader)
            .bind(record.active)
            .bind(now)
            .bind(left_at)
            .bind(record.joined_on.map(|day| day.to_string()))
            .bind(record.office.clone())
            .bind(record.employment.map(|kind| kind.as_str().to_owned()))
            .bind(record.employment.map(Employment::is_contractor))
            .bind(!record.name.trim().is_empty())
            .execute()
            .await?;
        super::contact::keep(self.tx, company, platform, &id, record).await?;
        self.add_identity(company, platform, &record.user, &id, true).await?;
        for alias in &record.aliases {
            let before = self.person_of(company, platform, alias).await?;
            self.add_identity(company, platform, alias, &id, false).await?;
            if let Some(stub) = before.filter(|p| p.id != id) {
                self.was_somebody_known(&stub.id, &id, now).await?;
            }
        }
        let rows: Vec<String> = record
            .departments
            .iter()
            .map(|d| department_row_id(company, platform, d.as_str()))
            .collect();
        let prefix = format!("{company}:{platform}:");
        self.tx
            .query(
                "DELETE FROM person_department WHERE person = $1 AND substr(department, 1, CAST($2 AS INTEGER)) = $3",
            )
            .bind(id.as_str())
            .bind(prefix.chars().count())
            .bind(prefix.as_str())
            .execute()
            .await?;
        for row in rows {
            self.tx
                .query("INSERT INTO person_department (person, department) VALUES ($1, $2) ON CONFLICT (person, department) DO NOTHING")
                .bind(id.as_str())
                .bind(row)
                .execute()
                .await?;
        }
        Ok(id)
    }

    /// Somebody was entered under another id of theirs before it was known whose it is. When that was the
    /// only id, nobody is left behind it: their places in chats are the known person's.
    async fn was_somebody_known(
        &mut self,
        stub: &PersonId,
        known: &PersonId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let others = self
            .tx
            .query("SELECT COUNT(*) AS n FROM identity WHERE person = $1")
            .bind(stub.as_str())
            .one()
            .await?;
        if others.get::<i64>("n")? > 0 {
            return Ok(());
        }
        self.tx
            .query(
                "INSERT INTO chat_member (app, chat_id, person, joined_at, left_at) \
                 SELECT app, chat_id, $2, joined_at, left_at FROM chat_member WHERE person = $1 AND left_at IS NULL \
                 ON CONFLICT (app, chat_id, person) DO UPDATE SET left_at = NULL",
            )
            .bind(stub.as_str())
            .bind(known.as_str())
            .execute()
            .await?;
        self.person_left(stub, now).await
    }

    /// Marks a leaver. Their account stays, so that history keeps its names until it is anonymised.
    pub async fn person_left(&mut self, id: &PersonId, now: Timestamp) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE person SET active = FALSE, left_at = COALESCE(left_at, $2) WHERE id = $1")
            .bind(id.as_str())
            .bind(now)
            .execute()
            .await?;
        self.tx
            .query("UPDATE chat_member SET left_at = $2 WHERE person = $1 AND left_at IS NULL")
            .bind(id.as_str())
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn upsert_department(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        record: &DepartmentRecord,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let leader = match &record.leader {
            Some(user) => self
                .person_of(company, platform, user)
                .await?
                .map(|p| p.id.as_str().to_owned()),
            None => None,
        };
        self.tx
            .query(
                "INSERT INTO department (id, company, platform, dept_id, parent, name, active, updated_at, leader) \
                 VALUES ($1, $2, $3, $4, $5, $6, TRUE, $7, $8) \
                 ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, name = excluded.name, active = TRUE, \
                   updated_at = excluded.updated_at, leader = COALESCE(excluded.leader, department.leader)",
            )
            .bind(department_row_id(company, platform, record.id.as_str()))
            .bind(company)
            .bind(platform.as_str())
            .bind(record.id.as_str())
            .bind(
                record
                    .parent
                    .as_ref()
                    .map(|p| department_row_id(company, platform, p.as_str())),
            )
            .bind(record.name.as_str())
            .bind(now)
            .bind(leader)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn department_removed(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        dept: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE department SET active = FALSE, updated_at = $2 WHERE id = $1")
            .bind(department_row_id(company, platform, dept))
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn departments(
        &mut self,
        company: &CompanyId,
        platform: Platform,
    ) -> Result<Vec<Department>, StoreError> {
        let rows = self
            .tx
            .query("SELECT id, platform, dept_id, parent, name FROM department WHERE company = $1 AND platform = $2 AND active = TRUE ORDER BY id")
            .bind(company)
            .bind(platform.as_str())
            .all()
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Department {
                    id: row.get("id")?,
                    platform,
                    dept_id: row.get("dept_id")?,
                    parent: row.get("parent")?,
                    name: row.get("name")?,
                })
            })
            .collect()
    }

    /// Active people who stand directly in a department (row id).
    pub async fn people_in(&mut self, department: &str) -> Result<Vec<Person>, StoreError> {
        let sql = format!(
            "{PERSON} JOIN person_department pd ON pd.person = p.id WHERE pd.department = $1 AND p.active = TRUE ORDER BY p.id"
        );
        self.tx
            .query(sql)
            .bind(department)
            .all()
            .await?
            .iter()
            .map(read_person)
            .collect()
    }

    /// The account of a person on a platform, if they have one there.
    pub async fn identity_on(&mut self, person: &PersonId, platform: Platform) -> Result<Option<UserId>, StoreError> {
        let row = self
            .tx
            .query("SELECT user_id FROM identity WHERE person = $1 AND platform = $2 AND is_main = TRUE ORDER BY user_id LIMIT 1")
            .bind(person.as_str())
            .bind(platform.as_str())
            .optional()
            .await?;
        row.map(|r| r.get("user_id")).transpose()
    }

    pub async fn identities(&mut self, person: &PersonId) -> Result<Vec<Identity>, StoreError> {
        let rows = self
            .tx
            .query("SELECT platform, user_id FROM identity WHERE person = $1 AND is_main = TRUE ORDER BY platform, user_id")
            .bind(person.as_str())
            .all()
            .await?;
        rows.iter()
            .map(|row| {
                let platform: String = row.get("platform")?;
                Ok(Identity {
                    platform: platform
                        .parse()
                        .map_err(|e: hutong_model::IdError| StoreError::Broken(e.to_string()))?,
                    user: row.get("user_id")?,
                })
            })
            .collect()
    }

    /// Enters or updates a chat. `None` leaves what is known.
    pub async fn upsert_chat(
        &mut self,
        app: &AppId,
        chat: &ChatId,
        kind: ChatKind,
        name: Option<&str>,
        external: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query(
                "INSERT INTO chat (app, chat_id, kind, name, external, active, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, TRUE, $6, $6) \
                 ON CONFLICT (app, chat_id) DO UPDATE SET name = COALESCE(excluded.name, chat.name), active = TRUE, updated_at = excluded.updated_at",
            )
            .bind(app)
            .bind(chat)
            .bind(kind_text(kind))
            .bind(name)
            .bind(external)
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn chat_inactive(&mut self, app: &AppId, chat: &ChatId, now: Timestamp) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE chat SET active = FALSE, updated_at = $3 WHERE app = $1 AND chat_id = $2")
            .bind(app)
            .bind(chat)
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn chat(&mut self, app: &AppId, chat: &ChatId) -> Result<Option<ChatInfo>, StoreError> {
        let row = self
            .tx
            .query("SELECT app, chat_id, kind, name, external, active, created_at FROM chat WHERE app = $1 AND chat_id = $2")
            .bind(app)
            .bind(chat)
            .optional()
            .await?;
        row.as_ref().map(read_chat).transpose()
    }

    /// The groups of an app that the bot is in.
    pub async fn groups(&mut self, app: &AppId) -> Result<Vec<ChatInfo>, StoreError> {
        let rows = self
            .tx
            .query("SELECT app, chat_id, kind, name, external, active, created_at FROM chat WHERE app = $1 AND kind = 'group' AND active = TRUE ORDER BY created_at, chat_id")
            .bind(app)
            .all()
            .await?;
        rows.iter().map(read_chat).collect()
    }

    pub async fn joined(
        &mut self,
        app: &AppId,
        chat: &ChatId,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query(
                "INSERT INTO chat_member (app, chat_id, person, joined_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (app, chat_id, person) DO UPDATE SET left_at = NULL, \
                   joined_at = CASE WHEN chat_member.left_at IS NULL THEN chat_member.joined_at ELSE excluded.joined_at END",
            )
            .bind(app)
            .bind(chat)
            .bind(person.as_str())
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn left(
        &mut self,
        app: &AppId,
        chat: &ChatId,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE chat_member SET left_at = $4 WHERE app = $1 AND chat_id = $2 AND person = $3 AND left_at IS NULL")
            .bind(app)
            .bind(chat)
            .bind(person.as_str())
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    /// True when a person is in a chat now, as far as the bot knows.
    pub async fn is_member(&mut self, app: &AppId, chat: &ChatId, person: &PersonId) -> Result<bool, StoreError> {
        let row = self
            .tx
            .query("SELECT COUNT(*) AS n FROM chat_member WHERE app = $1 AND chat_id = $2 AND person = $3 AND left_at IS NULL")
            .bind(app)
            .bind(chat)
            .bind(person.as_str())
            .one()
            .await?;
        Ok(row.get::<i64>("n")? > 0)
    }

    /// Whether a chat, an account and the account's place in the chat are known.
    pub async fn presence(
        &mut self,
        app: &AppId,
        chat: &ChatId,
        company: &CompanyId,
        platform: Platform,
        user: &UserId,
    ) -> Result<Presence, StoreError> {
        let row = self
            .tx
            .query(
                "SELECT c.external, c.active, c.name, i.person, m.joined_at FROM (SELECT 1 AS one) o \
                 LEFT JOIN chat c ON c.app = $1 AND c.chat_id = $2 \
                 LEFT JOIN identity i ON i.company = $3 AND i.platform = $4 AND i.user_id = $5 \
                 LEFT JOIN chat_member m ON m.app = $1 AND m.chat_id = $2 AND m.person = i.person AND m.left_at IS NULL",
            )
            .bind(app)
            .bind(chat)
            .bind(company)
            .bind(platform.as_str())
            .bind(user)
            .one()
            .await?;
        let person: Option<String> = row.get("person")?;
        Ok(Presence {
            external: row.get::<Option<bool>>("external")?.unwrap_or(false),
            chat_active: row.get::<Option<bool>>("active")?.unwrap_or(false),
            chat_name: row.get("name")?,
            person: person.as_deref().and_then(PersonId::parse),
            member: row.get::<Option<i64>>("joined_at")?.is_some(),
        })
    }

    /// A chat has ended: nobody is in it any more.
    pub async fn everyone_left(&mut self, app: &AppId, chat: &ChatId, now: Timestamp) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE chat_member SET left_at = $3 WHERE app = $1 AND chat_id = $2 AND left_at IS NULL")
            .bind(app)
            .bind(chat)
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    pub async fn set_chat_owner(
        &mut self,
        app: &AppId,
        chat: &ChatId,
        owner: &PersonId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE chat SET owner = $3, updated_at = $4 WHERE app = $1 AND chat_id = $2")
            .bind(app)
            .bind(chat)
            .bind(owner.as_str())
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    /// Says whether a chat is shared with people outside the company; [`Self::upsert_chat`] only
    /// sets that for a chat it enters.
    pub async fn set_external(
        &mut self,
        app: &AppId,
        chat: &ChatId,
        external: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE chat SET external = $3, updated_at = $4 WHERE app = $1 AND chat_id = $2")
            .bind(app)
            .bind(chat)
            .bind(external)
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    /// The language a person has chosen: `zh` or `en`.
    pub async fn set_language(&mut self, person: &PersonId, language: &str) -> Result<(), StoreError> {
        self.tx
            .query("UPDATE person SET language = $2 WHERE id = $1")
            .bind(person.as_str())
            .bind(language)
            .execute()
            .await
            .map(|_| ())
    }

    /// Asks the next sync of an app to read one person, or everything. The platform told that
    /// something has changed, but not what.
    pub async fn ask_sync(&mut self, app: &AppId, user: Option<&UserId>, now: Timestamp) -> Result<(), StoreError> {
        self.tx
            .query("INSERT INTO sync_todo (app, user_id, asked_at) VALUES ($1, $2, $3) ON CONFLICT (app, user_id) DO UPDATE SET asked_at = excluded.asked_at")
            .bind(app)
            .bind(user.map_or("", UserId::as_str))
            .bind(now)
            .execute()
            .await
            .map(|_| ())
    }

    /// What [`Self::ask_sync`] has left, oldest first; an absent user stands for everything.
    pub async fn sync_todo(
        &mut self,
        app: &AppId,
        limit: usize,
    ) -> Result<Vec<(Option<UserId>, Timestamp)>, StoreError> {
        let rows = self
            .tx
            .query("SELECT user_id, asked_at FROM sync_todo WHERE app = $1 ORDER BY asked_at, user_id LIMIT $2")
            .bind(app)
            .bind(limit)
            .all()
            .await?;
        rows.iter()
            .map(|row| {
                let user: String = row.get("user_id")?;
                Ok((UserId::new(user).ok(), row.get("asked_at")?))
            })
            .collect()
    }

    /// Takes a request off the list, unless it was made again after `asked_at`.
    pub async fn sync_done(
        &mut self,
        app: &AppId,
        user: Option<&UserId>,
        asked_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.tx
            .query("DELETE FROM sync_todo WHERE app = $1 AND user_id = $2 AND asked_at <= $3")
            .bind(app)
            .bind(user.map_or("", UserId::as_str))
            .bind(asked_at)
            .execute()
            .await
            .map(|_| ())
    }

    /// The leader of a department (row id), if known.
    pub async fn department_leader(&mut self, department: &str) -> Result<Option<PersonId>, StoreError> {
        let row = self
            .tx
            .query("SELECT leader FROM department WHERE id = $1")
            .bind(department)
            .optional()
            .await?;
        let leader: Option<String> = row.map(|r| r.get("leader")).transpose()?.flatten();
        Ok(leader.as_deref().and_then(PersonId::parse))
    }

    /// People who are in a chat now, as far as the bot knows.
    pub async fn members(&mut self, app: &AppId, chat: &ChatId) -> Result<Vec<PersonId>, StoreError> {
        let rows = self
            .tx
            .query("SELECT person FROM chat_member WHERE app = $1 AND chat_id = $2 AND left_at IS NULL ORDER BY person")
            .bind(app)
            .bind(chat)
            .all()
            .await?;
        rows.iter().map(|row| read_id(row, "person")).collect()
    }
}

fn kind_text(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Group => "group",
        ChatKind::Direct => "direct",
    }
}

fn read_id(row: &Row, column: &str) -> Result<PersonId, StoreError> {
    let text: String = row.get(column)?;
    PersonId::parse(&text).ok_or_else(|| StoreError::Broken(format!("{column} is not a person id")))
}

fn read_person(row: &Row) -> Result<Person, StoreError> {
    let leader: Option<String> = row.get("leader")?;
    Ok(Person {
        id: read_id(row, "id")?,
        company: row.get("company")?,
        name: row.get("name")?,
        employee_no: row.get("employee_no")?,
        title: row.get("title")?,
        department: row.get("department")?,
        department_name: row.get("department_name")?,
        leader: leader.as_deref().and_then(PersonId::parse),
        language: row.get("language")?,
        active: row.get("active")?,
    })
}

fn read_chat(row: &Row) -> Result<ChatInfo, StoreError> {
    let kind: String = row.get("kind")?;
    Ok(ChatInfo {
        app: row.get("app")?,
        chat: row.get("chat_id")?,
        kind: if kind == "direct" {
            ChatKind::Direct
        } else {
            ChatKind::Group
        },
        name: row.get("name")?,
        external: row.get("external")?,
        active: row.get("active")?,
        created_at: row.get("created_at")?,
    })
}
