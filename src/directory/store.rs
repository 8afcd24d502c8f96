//! SQL of the directory.

use hutong_model::{AppId, ChatId, ChatKind, CompanyId, DepartmentRecord, PersonRecord, Platform, Timestamp, UserId};

use super::people::{self, Entry, Learned, Source};
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
     p.leader, p.language, p.active, p.contractor, p.left_at, p.returned_at FROM person p LEFT JOIN department d ON d.id = p.department ";

impl<'t> Directory<'t> {
    pub fn new(tx: &'t mut Tx) -> Self {
        Self { tx }
    }

    /// A person; for one who was merged into another, that other.
    pub async fn person(&mut self, id: &PersonId) -> Result<Option<Person>, StoreError> {
        let sql = format!("{PERSON} WHERE p.id = (SELECT COALESCE(o.merged_into, o.id) FROM person o WHERE o.id = $1)");
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

    /// The colleague with an employee number; `None` when nobody or more than one has it.
    pub async fn person_numbered(&mut self, company: &CompanyId, number: &str) -> Result<Option<PersonId>, StoreError> {
        let rows = self
            .tx
            .query(
                "SELECT id FROM person WHERE company = $1 AND employee_no = $2 AND active = TRUE ORDER BY id LIMIT 2",
            )
            .bind(company)
            .bind(number)
            .all()
            .await?;
        match &rows[..] {
            [one] => read_id(one, "id").map(Some),
            _ => Ok(None),
        }
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
        self.tx
            .query(
                "INSERT INTO identity (company, platform, user_id, person, is_main) VALUES ($1, $2, $3, $4, TRUE) \
                 ON CONFLICT (company, platform, user_id) DO NOTHING",
            )
            .bind(company)
            .bind(platform.as_str())
            .bind(user)
            .bind(id.as_str())
            .execute()
            .await?;
        self.person_of(company, platform, user)
            .await?
            .ok_or_else(|| StoreError::Broken("a person who was just entered is not there".to_owned()))
    }

    /// Enters what a platform said about an account when it was asked, or in an event; see
    /// [`people::learn`]. `told`: when it said so.
    pub async fn learn(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        record: &PersonRecord,
        told: Timestamp,
        now: Timestamp,
    ) -> Result<Learned, StoreError> {
        let policy = people::store::policy(self.tx).await?;
        let entry = Entry::of(record, company, &policy);
        let from = Source { company, platform };
        people::learn(self.tx, from, entry, &policy, told.min(now), None, now).await
    }

    /// [`Self::learn`] of something that is true now.
    pub async fn upsert_person(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        record: &PersonRecord,
        now: Timestamp,
    ) -> Result<PersonId, StoreError> {
        match self.learn(company, platform, record, now, now).await? {
            Learned::Entered(id) => Ok(id),
            Learned::Stale | Learned::Nobody => Ok(match self.person_of(company, platform, &record.user).await? {
                Some(person) => person.id,
                None => PersonId::derive(company, platform, &record.user),
            }),
        }
    }

    /// An account is no longer in use since `told`; see [`people::account_left`].
    pub async fn account_left(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        user: &UserId,
        told: Timestamp,
        now: Timestamp,
    ) -> Result<Learned, StoreError> {
        let from = Source { company, platform };
        people::account_left(self.tx, from, user, told.min(now), now).await
    }

    /// Says that an app has heard of somebody, so that a later listing of it can miss them.
    pub async fn noticed(
        &mut self,
        app: &AppId,
        user: &UserId,
        person: &PersonId,
        told: Timestamp,
    ) -> Result<(), StoreError> {
        people::noticed(self.tx, app, user, person, told).await
    }

    /// The departments (row ids) a person stood in at a moment: figures of a board are split by it.
    pub async fn departments_at(&mut self, person: &PersonId, at: Timestamp) -> Result<Vec<String>, StoreError> {
        people::store::departments_at(self.tx, person, at).await
    }

    /// Marks a leaver, on all platforms. Their accounts stay, so that history keeps its names until
    /// it is anonymised.
    pub async fn person_left(&mut self, id: &PersonId, now: Timestamp) -> Result<(), StoreError> {
        people::store::end_all(self.tx, id).await?;
        self.tx
            .query("UPDATE person SET active = FALSE, left_at = CASE WHEN active THEN CAST($2 AS BIGINT) ELSE left_at END WHERE id = $1")
            .bind(id.as_str())
            .bind(now)
            .execute()
            .await?;
        people::store::stay(self.tx, id, &[], now).await?;
        people::store::leave_chats(self.tx, id, now).await
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

    /// When the newest thing about a department was said; `None` for one that is not known.
    pub async fn department_told(
        &mut self,
        company: &CompanyId,
        platform: Platform,
        dept: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .tx
            .query("SELECT updated_at FROM department WHERE id = $1")
            .bind(department_row_id(company, platform, dept))
            .optional()
            .await?;
        row.map(|r| r.get("updated_at")).transpose()
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
            .query(
                "SELECT user_id FROM identity WHERE person = $1 AND platform = $2 AND is_main = TRUE \
                 ORDER BY active DESC, told_at DESC, user_id LIMIT 1",
            )
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
        contractor: row.get("contractor")?,
        left_at: row.get("left_at")?,
        returned_at: row.get("returned_at")?,
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
