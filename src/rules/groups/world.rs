//! Reads what a rule wants and what there is, for [`super::plan`].

use std::collections::{BTreeMap, BTreeSet};

use hutong_model::{Ability, AppId, CompanyId, Platform, UserId};

use super::back::Back;
use super::config::{GroupRule, Owner};
use super::plan::{Claim, Current, Desired, Plan, Policy, plan};
use super::store::{self, Chat};
use crate::access::Role;
use crate::access::store::{holders, place_of_department};
use crate::directory::{Department, PersonId};
use crate::rules::{Ctx, RuleError};
use crate::text::groups::Say;

/// Everything about one rule at this moment.
pub struct World {
    pub app: AppId,
    pub root: Department,
    pub accounts: BTreeMap<PersonId, UserId>,
    pub names: BTreeMap<PersonId, String>,
    pub chats: Vec<Chat>,
    /// People of these departments without an account on the platform of the app.
    pub unreachable: usize,
    pub plan: Plan,
    /// The rule wants nobody in any group: rather a broken directory than a wish.
    pub nobody: bool,
    /// The plan takes back another one.
    pub back: Option<Back>,
}

impl World {
    /// Names the plan, and what it takes back.
    pub fn code(&self, rule: &str) -> String {
        match &self.back {
            None => self.plan.code(rule),
            Some(back) => self.plan.code(&format!("{rule}:undo:{}", back.run.id)),
        }
    }
}

/// The company and platform of a rule's app.
pub fn home(ctx: &Ctx, rule: &GroupRule) -> Result<(CompanyId, Platform), RuleError> {
    ctx.env()
        .app(&rule.app)
        .map(|a| (a.company.clone(), a.adapter.platform()))
        .ok_or_else(|| {
            RuleError::Fail(format!(
                "the app {} of group rule {} is not configured",
                rule.app, rule.id
            ))
        })
}

/// The departments of a company as a tree.
pub struct Tree {
    all: BTreeMap<String, Department>,
    below: BTreeMap<String, Vec<String>>,
}

impl Tree {
    pub fn new(departments: Vec<Department>) -> Self {
        let mut below: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for department in &departments {
            if let Some(parent) = &department.parent {
                below.entry(parent.clone()).or_default().push(department.id.clone());
            }
        }
        let all = departments.into_iter().map(|d| (d.id.clone(), d)).collect();
        Self { all, below }
    }

    /// A department by id, by name, or by a path of names (`研发中心/嵌入式组`) from anywhere above.
    /// Several with the same name are an answer too: then the admin must say which.
    pub fn find(&self, text: &str) -> Vec<&Department> {
        if let Some(one) = self.all.values().find(|d| d.id == text || d.dept_id == text) {
            return vec![one];
        }
        let path: Vec<&str> = text.split('/').map(str::trim).filter(|p| !p.is_empty()).collect();
        let fits = |department: &&Department| {
            let mut at = Some(*department);
            for name in path.iter().rev() {
                match at {
                    Some(d) if d.name == *name => at = d.parent.as_ref().and_then(|p| self.all.get(p)),
                    _ => return false,
                }
            }
            !path.is_empty()
        };
        self.all.values().filter(fits).collect()
    }

    /// A department and those up to `depth` levels below; each once, also when the directory has a
    /// cycle.
    pub fn levels(&self, root: &str, depth: usize) -> Vec<&Department> {
        let mut found: Vec<&Department> = self.all.get(root).into_iter().collect();
        let mut seen: BTreeSet<&str> = found.iter().map(|d| d.id.as_str()).collect();
        let mut level = found.clone();
        for _ in 0..depth {
            let mut next = Vec::new();
            for child in level.iter().filter_map(|d| self.below.get(&d.id)).flatten() {
                if let Some(department) = self.all.get(child)
                    && seen.insert(&department.id)
                {
                    next.push(department);
                }
            }
            if next.is_empty() {
                break;
            }
            found.extend(&next);
            level = next;
        }
        found
    }

    /// A department and all above it.
    pub fn upwards<'t>(&'t self, department: &'t str) -> Vec<&'t str> {
        let mut list = Vec::new();
        let mut at = Some(department);
        while let Some(id) = at {
            if list.contains(&id) {
                break;
            }
            list.push(id);
            at = self.all.get(id).and_then(|d| d.parent.as_deref());
        }
        list
    }
}

/// The name of a group.
pub fn group_name(template: &str, department: &str, company: &str) -> String {
    // The company's name last: it is the admin's text and may hold no placeholder of its own.
    template.replace("{dept}", department).replace("{company}", company)
}

/// The tree, and the department a rule begins at. Refuses when there is none or more than one.
pub async fn root_of(ctx: &mut Ctx, rule: &GroupRule) -> Result<(Tree, Department), RuleError> {
    let (company, platform) = home(ctx, rule)?;
    let tree = Tree::new(ctx.directory().departments(&company, platform).await?);
    let found: Vec<Department> = tree.find(&rule.department).into_iter().cloned().collect();
    let lang = ctx.env().lang;
    let say = match &found[..] {
        [one] => return Ok((tree, one.clone())),
        [] => Say::NoSuchDepartment(rule.department.clone()),
        _ => Say::DepartmentTwice(rule.department.clone()),
    };
    Err(RuleError::refuse(hutong_model::Message::text(say.in_lang(lang))))
}

/// Reads everything and compares.
pub async fn look(ctx: &mut Ctx, rule: &GroupRule) -> Result<World, RuleError> {
    let (company, platform) = home(ctx, rule)?;
    let (tree, root) = root_of(ctx, rule).await?;
    let accounts = store::accounts(ctx.tx(), &company, platform).await?;
    let mut people: BTreeMap<String, Vec<PersonId>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut unreachable = BTreeSet::new();
    let reach = if rule.include_children {
        usize::MAX
    } else {
        usize::from(rule.depth)
    };
    for department in tree.levels(&root.id, reach) {
        let list = ctx.directory().people_in(&department.id).await?;
        let mut ids = Vec::new();
        for person in list {
            if accounts.contains_key(&person.id) {
                ids.push(person.id.clone());
            } else {
                unreachable.insert(person.id.clone());
            }
            names.insert(person.id, person.name);
        }
        people.insert(department.id.clone(), ids);
    }
    let chats = store::chats(ctx.tx(), &rule.id).await?;
    let mut desired = Vec::new();
    let mut nobody = true;
    for department in tree.levels(&root.id, usize::from(rule.depth)) {
        let parts = if rule.include_children {
            tree.levels(&department.id, usize::MAX)
        } else {
            vec![department]
        };
        let mut members: BTreeSet<PersonId> = parts
            .iter()
            .filter_map(|d| people.get(&d.id))
            .flatten()
            .cloned()
            .collect();
        nobody &= members.is_empty();
        let owner = owner_of(ctx, rule, &company, platform, &department.id, &accounts).await?;
        let exists = chats
            .iter()
            .any(|c| c.department == department.id && c.state != "failed");
        if let (Some(owner), false) = (&owner, exists) {
            members.insert(owner.clone());
        }
        desired.push(Desired {
            department: department.id.clone(),
            name: group_name(&rule.name, &department.name, &ctx.env().company_name),
            owner,
            members,
        });
    }
    let policy = Policy {
        manual: rule.manual_members,
        on_leave: rule.on_leave,
        grace: rule.on_transfer.grace_workdays > 0,
        today: ctx.local(ctx.now()).date_naive(),
    };
    let current = current(ctx, rule, &chats).await?;
    for (person, name) in current.1 {
        names.entry(person).or_insert(name);
    }
    Ok(World {
        app: rule.app.clone(),
        root,
        accounts,
        names,
        chats,
        unreachable: unreachable.len(),
        plan: plan(policy, &desired, &current.0),
        nobody,
        back: None,
    })
}

pub async fn current(
    ctx: &mut Ctx,
    rule: &GroupRule,
    chats: &[Chat],
) -> Result<(Vec<Current>, Vec<(PersonId, String)>), RuleError> {
    let claims = store::claims(ctx.tx(), &rule.id).await?;
    let mut list = Vec::new();
    for chat in chats {
        let members = match &chat.chat {
            Some(id) => ctx.directory().members(&chat.app, id).await?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let own = claims.iter().filter(|c| c.department == chat.department);
        list.push(Current {
            department: chat.department.clone(),
            name: chat.name.clone(),
            ready: chat.state == "ready",
            owner: chat.owner.clone(),
            members,
            gone: own
                .clone()
                .filter(|c| !c.active && matches!(c.claim, Claim::In | Claim::Grace))
                .map(|c| c.person.clone())
                .collect(),
            until: own.clone().filter_map(|c| Some((c.person.clone(), c.until?))).collect(),
            claims: own.map(|c| (c.person.clone(), c.claim)).collect(),
        });
    }
    // A group whose making failed may be made again.
    let list = list
        .into_iter()
        .zip(chats)
        .filter(|(_, chat)| chat.state != "failed")
        .map(|(current, _)| current)
        .collect();
    Ok((list, claims.into_iter().map(|c| (c.person, c.name)).collect()))
}

/// The first of the succession who is in the company and has an account.
async fn owner_of(
    ctx: &mut Ctx,
    rule: &GroupRule,
    company: &CompanyId,
    platform: Platform,
    department: &str,
    accounts: &BTreeMap<PersonId, UserId>,
) -> Result<Option<PersonId>, RuleError> {
    for owner in &rule.owner {
        let candidates = match owner {
            Owner::Leader => ctx
                .directory()
                .department_leader(department)
                .await?
                .into_iter()
                .collect(),
            // No platform tells who the deputy is.
            Owner::Deputy => Vec::new(),
            Owner::BotOperator => {
                let place = place_of_department(ctx.tx(), department).await?;
                holders(ctx.tx(), company, &[Role::Operator], &place).await?
            }
            Owner::User(user) => ctx
                .directory()
                .person_of(company, platform, user)
                .await?
                .map(|p| p.id)
                .into_iter()
                .collect(),
        };
        if let Some(found) = candidates.into_iter().find(|c| accounts.contains_key(c)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What the plan needs and the app cannot do, with the app of the same company and platform that
/// could.
pub fn inability(ctx: &Ctx, world: &World) -> Option<(Ability, Option<AppId>)> {
    let plan = &world.plan;
    let needs = [
        (Ability::CreateChat, plan.creates().next().is_some()),
        (
            Ability::AddMembers,
            plan.changes.iter().any(|c| c.create.is_none() && !c.add.is_empty()),
        ),
        (Ability::RemoveMembers, plan.removed().next().is_some()),
    ];
    let missing = needs
        .into_iter()
        .find(|(ability, needed)| *needed && !ctx.can(&world.app, *ability))?
        .0;
    let own = ctx.env().app(&world.app)?;
    let other = ctx.env().apps.iter().find(|(_, a)| {
        a.company == own.company
            && a.adapter.platform() == own.adapter.platform()
            && a.adapter.capabilities().can(missing)
    });
    Some((missing, other.map(|(id, _)| id.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let d = |id: &str, parent: Option<&str>, name: &str| Department {
            id: id.into(),
            platform: Platform::Feishu,
            dept_id: format!("n{id}"),
            parent: parent.map(str::to_owned),
            name: name.into(),
        };
        Tree::new(vec![
            d("0", None, "海星"),
            d("rd", Some("0"), "研发中心"),
            d("emb", Some("rd"), "嵌入式组"),
            d("drv", Some("emb"), "驱动"),
            d("mk", Some("0"), "市场部"),
            d("mkemb", Some("mk"), "嵌入式组"),
            d("x", Some("y"), "X"),
            d("y", Some("x"), "Y"),
        ])
    }

    #[test]
    fn departments_are_found_by_id_name_and_path() {
        let tree = tree();
        let find = |text: &str| -> Vec<String> { tree.find(text).iter().map(|d| d.id.clone()).collect() };
        assert_eq!(find("研发中心"), ["rd"]);
        assert_eq!(find("nrd"), ["rd"]);
        assert_eq!(find("嵌入式组").len(), 2);
        assert_eq!(find("研发中心/嵌入式组"), ["emb"]);
        assert_eq!(find("海星/市场部/嵌入式组"), ["mkemb"]);
        assert!(find("").is_empty() && find("没有").is_empty());
    }

    #[test]
    fn levels_end_also_in_a_cycle() {
        let tree = tree();
        let ids = |root: &str, depth: usize| -> Vec<&str> {
            tree.levels(root, depth).iter().map(|d| d.id.as_str()).collect()
        };
        assert_eq!(ids("rd", 0), ["rd"]);
        assert_eq!(ids("rd", 1), ["rd", "emb"]);
        assert_eq!(ids("rd", usize::MAX), ["rd", "emb", "drv"]);
        assert_eq!(ids("x", usize::MAX), ["x", "y"]);
        assert_eq!(tree.upwards("drv"), ["drv", "emb", "rd", "0"]);
        assert_eq!(tree.upwards("x"), ["x", "y"]);
    }

    #[test]
    fn names_are_filled_in() {
        assert_eq!(
            group_name("{company}{dept}·技术交流", "嵌入式", "海星"),
            "海星嵌入式·技术交流"
        );
    }
}
