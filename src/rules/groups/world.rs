//! Reads what a rule wants and what there is, for [`super::plan`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use hutong_model::{Ability, AppId, CompanyId, Message, Platform, UserId};

use super::back::Back;
use super::config::{GroupRule, Owner, Source};
use super::plan::{Claim, Current, Desired, Plan, Policy, plan};
use super::sources::store as whom;
use super::sources::{People, segment_key};
use super::split;
use super::store::{self, Chat};
use crate::access::Place;
use crate::access::store::{operators_of, place_of_department};
use crate::directory::{Department, PersonId, facts};
use crate::rules::{Ctx, RuleError};
use crate::text::groups::Say;

/// Everything about one rule at this moment.
pub struct World {
    pub app: AppId,
    /// Absent for a rule of a segment.
    pub root: Option<Department>,
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
#[derive(Debug)]
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

    /// A department with all above it, as a place: row ids and names.
    pub fn place(&self, department: &str) -> Place {
        let mut place = Place::default();
        for id in self.upwards(department) {
            place.departments.push(id.to_owned());
            place.departments.extend(self.all.get(id).map(|d| d.name.clone()));
        }
        place
    }

    /// The name of the department above; of the topmost one its own.
    pub fn parent_name(&self, department: &str) -> &str {
        let own = self.all.get(department);
        let above = own.and_then(|d| d.parent.as_deref()).and_then(|p| self.all.get(p));
        above.or(own).map_or("", |d| d.name.as_str())
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

/// The name of a group; `{no}` is left for [`split`]. `parent` is the name of the department above,
/// of the topmost one its own.
pub fn group_name(rule: &GroupRule, department: &str, parent: &str, company: &str) -> String {
    let segment = rule.source.segment.as_ref().map_or("", |s| s.title.as_str());
    let marks = [
        ("{dept}", department),
        ("{parent}", parent),
        ("{segment}", segment),
        ("{company}", company),
    ];
    // From left to right: what is filled in may look like a placeholder and is none.
    let (mut name, mut rest) = (String::new(), rule.name.as_str());
    while !rest.is_empty() {
        let here = marks
            .iter()
            .find_map(|(mark, text)| Some((rest.strip_prefix(mark)?, *text)));
        match (here, rest.chars().next()) {
            (Some((after, text)), _) => {
                name.push_str(text);
                rest = after;
            }
            (None, Some(other)) => {
                name.push(other);
                rest = rest.get(other.len_utf8()..).unwrap_or_default();
            }
            (None, None) => break,
        }
    }
    name
}

/// Department trees that were read, by company and platform: once an item.
#[derive(Default)]
pub struct Trees {
    read: HashMap<(CompanyId, Platform), Arc<Tree>>,
}

impl Trees {
    pub async fn of(&mut self, ctx: &mut Ctx, company: &CompanyId, platform: Platform) -> Result<Arc<Tree>, RuleError> {
        let key = (company.clone(), platform);
        if let Some(tree) = self.read.get(&key) {
            return Ok(tree.clone());
        }
        let tree = Arc::new(Tree::new(ctx.directory().departments(company, platform).await?));
        self.read.insert(key, tree.clone());
        Ok(tree)
    }
}

fn no(ctx: &Ctx, say: Say) -> RuleError {
    RuleError::refuse(Message::text(say.in_lang(ctx.env().lang)))
}

/// The department that a source begins at. Refuses when there is none or more than one; a source
/// without a department has none.
pub fn root_in(ctx: &Ctx, tree: &Tree, source: &Source) -> Result<Option<Department>, RuleError> {
    let Some(name) = &source.department else {
        return Ok(None);
    };
    match &tree.find(name)[..] {
        [one] => Ok(Some((*one).clone())),
        [] => Err(no(ctx, Say::NoSuchDepartment(name.clone()))),
        _ => Err(no(ctx, Say::DepartmentTwice(name.clone()))),
    }
}

/// The tree, and the department a rule begins at.
pub async fn root_of(
    ctx: &mut Ctx,
    trees: &mut Trees,
    rule: &GroupRule,
) -> Result<(Arc<Tree>, Option<Department>), RuleError> {
    let (company, platform) = home(ctx, rule)?;
    let tree = trees.of(ctx, &company, platform).await?;
    let root = root_in(ctx, &tree, &rule.source)?;
    Ok((tree, root))
}

/// Where one must be an operator for a rule: its department, or the whole company.
pub async fn place_of(ctx: &mut Ctx, root: Option<&Department>) -> Result<Place, RuleError> {
    match root {
        Some(root) => Ok(place_of_department(ctx.tx(), &root.id).await?),
        None => Ok(Place::default()),
    }
}

/// The people of a segment.
async fn segment_of(
    ctx: &mut Ctx,
    company: &CompanyId,
    source: &Source,
    only: Option<&PersonId>,
) -> Result<HashSet<PersonId>, RuleError> {
    let Some(segment) = &source.segment else {
        return Ok(HashSet::new());
    };
    let departments = match segment.condition.names_departments() {
        true => facts::departments(ctx.tx(), company).await?,
        false => Vec::new(),
    };
    let bound = segment.condition.bind(&departments).map_err(|error| {
        no(
            ctx,
            Say::BadSegment {
                id: segment.id.clone(),
                at: error.at + 1,
                mistake: error.mistake,
            },
        )
    })?;
    let today = ctx.local(ctx.now()).date_naive();
    let everyone = facts::for_condition(ctx.tx(), company, &segment.condition, only, false).await?;
    let yes = |p: &facts::PersonFacts| p.ask(today, |f| bound.of(f)) == crate::segment::Answer::Yes;
    Ok(everyone.into_iter().filter(yes).map(|p| p.id).collect())
}

/// The people whom a rule could mean: those of its departments, or everybody where a segment says who.
async fn people_of(
    ctx: &mut Ctx,
    rule: &GroupRule,
    tree: &Tree,
    root: Option<&Department>,
    feeders: &[(&Source, Option<Department>)],
) -> Result<People, RuleError> {
    let (company, platform) = home(ctx, rule)?;
    if std::iter::once(&rule.source)
        .chain(&rule.feeders)
        .any(|s| s.segment.is_some())
    {
        let mut people = whom::people(ctx.tx(), &company).await?;
        people.accounts = whom::accounts(ctx.tx(), &company, platform).await?;
        return Ok(people);
    }
    let own = (&rule.source, root, usize::from(rule.depth));
    let others = feeders.iter().map(|(source, root)| (*source, root.as_ref(), 0));
    let mut reached = BTreeSet::new();
    for (source, root, depth) in std::iter::once(own).chain(others) {
        let depth = if source.include_children { usize::MAX } else { depth };
        if let Some(root) = root {
            reached.extend(tree.levels(&root.id, depth).into_iter().map(|d| d.id.as_str()));
        }
    }
    Ok(whom::people_in(ctx.tx(), &company, platform, &reached).await?)
}

/// Key, name and department of each first group of a rule.
type Top<'t> = (String, &'t str, Option<&'t str>);

/// Everything about one rule at this moment.
pub async fn look(ctx: &mut Ctx, rule: &GroupRule) -> Result<World, RuleError> {
    if let Some(into) = &rule.into {
        let say = Say::FeedsInto {
            rule: rule.id.clone(),
            into: into.clone(),
        };
        return Err(no(ctx, say));
    }
    let (company, _) = home(ctx, rule)?;
    let (tree, root) = root_of(ctx, &mut Trees::default(), rule).await?;
    let mut feeders = Vec::new();
    for source in &rule.feeders {
        feeders.push((source, root_in(ctx, &tree, source)?));
    }
    let mut people = people_of(ctx, rule, &tree, root.as_ref(), &feeders).await?;
    for source in std::iter::once(&rule.source).chain(&rule.feeders) {
        if let Some(segment) = &source.segment
            && !people.segments.contains_key(&segment.id)
        {
            let set = segment_of(ctx, &company, source, None).await?;
            people.segments.insert(segment.id.clone(), set);
        }
    }
    let chats = store::chats(ctx.tx(), &rule.id).await?;
    let (current, claimed) = current(ctx, rule, &chats).await?;
    let mut by_base: HashMap<&str, Vec<&Current>> = HashMap::new();
    for group in &current {
        by_base
            .entry(split::base_of(&group.department).0)
            .or_default()
            .push(group);
    }
    let limit = ctx.caps(&rule.app).map_or(0, |c| c.limits.chat_members);
    let capacity = split::capacity(rule.split_over, limit);
    let tops: Vec<Top<'_>> = match (&root, &rule.source.segment) {
        (Some(root), _) => tree
            .levels(&root.id, usize::from(rule.depth))
            .into_iter()
            .map(|d| (d.id.clone(), d.name.as_str(), Some(d.id.as_str())))
            .collect(),
        (None, Some(segment)) => vec![(segment_key(&segment.id), "", None)],
        (None, None) => Vec::new(),
    };
    let owners = Owners::read(ctx, rule, &tops, &mut people).await?;
    let mut desired = Vec::new();
    let (mut nobody, mut unreachable) = (true, BTreeSet::new());
    for (n, (key, name, department)) in tops.into_iter().enumerate() {
        let mut members = BTreeSet::new();
        people.of(&rule.source, &tree, department, &mut members, &mut unreachable);
        if n == 0 {
            for (source, root) in &feeders {
                let root = root.as_ref().map(|r| r.id.as_str());
                people.of(source, &tree, root, &mut members, &mut unreachable);
            }
        }
        nobody &= members.is_empty();
        let siblings = by_base.remove(key.as_str()).unwrap_or_default();
        let owner = owners.of(rule, &tree, department, &people);
        let want = Desired {
            name: group_name(
                rule,
                name,
                department.map_or("", |d| tree.parent_name(d)),
                &ctx.env().company_name,
            ),
            department: key,
            owner,
            members,
        };
        desired.extend(split::split(want, &siblings, capacity));
    }
    let policy = Policy {
        manual: rule.manual_members,
        on_leave: rule.on_leave,
        grace: rule.on_transfer.grace_workdays > 0,
        today: ctx.local(ctx.now()).date_naive(),
    };
    let mut plan = plan(policy, &desired, &current);
    let taken = store::names_of_others(ctx.tx(), &rule.app, &rule.id).await?;
    plan.leave_taken(&taken);
    plan.leave_twice(&desired, &current);
    let mut names = people.names;
    for (person, name) in claimed {
        names.entry(person).or_insert(name);
    }
    Ok(World {
        app: rule.app.clone(),
        root,
        accounts: people.accounts,
        names,
        chats,
        unreachable: unreachable.len(),
        plan,
        nobody,
        back: None,
    })
}

/// The keys of the groups that a rule, or a rule that it feeds, wants one person in; `sources` are
/// its own source and its feeders.
pub async fn wanted(
    ctx: &mut Ctx,
    rule: &GroupRule,
    tree: &Tree,
    root: Option<&Department>,
    person: &PersonId,
) -> Result<BTreeSet<String>, RuleError> {
    let (company, _) = home(ctx, rule)?;
    let own = whom::departments_of(ctx.tx(), person).await?;
    let contractor = whom::is_contractor(ctx.tx(), person).await?;
    let first = match (root, &rule.source.segment) {
        (Some(root), _) => root.id.clone(),
        (None, Some(segment)) => segment_key(&segment.id),
        (None, None) => return Ok(BTreeSet::new()),
    };
    let mut keys = BTreeSet::new();
    for (n, source) in std::iter::once(&rule.source).chain(&rule.feeders).enumerate() {
        if contractor && !source.include_contractors {
            continue;
        }
        if source.segment.is_some() && segment_of(ctx, &company, source, Some(person)).await?.is_empty() {
            continue;
        }
        let reached: BTreeSet<&str> = own
            .iter()
            .flat_map(|d| match source.include_children {
                true => tree.upwards(d),
                false => vec![d.as_str()],
            })
            .collect();
        match (n, &source.department) {
            (_, None) => {
                keys.insert(first.clone());
            }
            (0, Some(_)) => {
                let levels = root
                    .map(|r| tree.levels(&r.id, usize::from(rule.depth)))
                    .unwrap_or_default();
                let targets = levels.iter().map(|d| d.id.as_str()).filter(|d| reached.contains(d));
                keys.extend(targets.map(str::to_owned));
            }
            (_, Some(_)) => {
                if root_in(ctx, tree, source)?.is_some_and(|top| reached.contains(top.id.as_str())) {
                    keys.insert(first.clone());
                }
            }
        }
    }
    Ok(keys)
}

pub async fn current(
    ctx: &mut Ctx,
    rule: &GroupRule,
    chats: &[Chat],
) -> Result<(Vec<Current>, Vec<(PersonId, String)>), RuleError> {
    let claims = store::claims(ctx.tx(), &rule.id).await?;
    let mut members = store::members(ctx.tx(), &rule.id).await?;
    let mut list: Vec<Current> = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    // A group whose making failed may be made again.
    for chat in chats.iter().filter(|c| c.state != "failed") {
        at.insert(&chat.department, list.len());
        list.push(Current {
            department: chat.department.clone(),
            name: chat.name.clone(),
            ready: chat.state == "ready",
            owner: chat.owner.clone(),
            members: members.remove(&chat.department).unwrap_or_default(),
            claims: BTreeMap::new(),
            gone: BTreeSet::new(),
            until: BTreeMap::new(),
        });
    }
    let mut names = Vec::with_capacity(claims.len());
    for claim in claims {
        if let Some(group) = at.get(claim.department.as_str()).and_then(|i| list.get_mut(*i)) {
            if !claim.active && matches!(claim.claim, Claim::In | Claim::Grace) {
                group.gone.insert(claim.person.clone());
            }
            if let Some(day) = claim.until {
                group.until.insert(claim.person.clone(), day);
            }
            group.claims.insert(claim.person.clone(), claim.claim);
        }
        names.push((claim.person, claim.name));
    }
    Ok((list, names))
}

/// Who could own a group.
pub struct Owners {
    leaders: HashMap<String, PersonId>,
    deputies: HashSet<PersonId>,
    operators: Vec<(PersonId, crate::access::Scope)>,
    users: HashMap<String, PersonId>,
}

impl Owners {
    /// Whoever could own one of the groups `tops`; their names and accounts go to `people`.
    async fn read(ctx: &mut Ctx, rule: &GroupRule, tops: &[Top<'_>], people: &mut People) -> Result<Self, RuleError> {
        let (company, platform) = home(ctx, rule)?;
        let (company, departments) = (&company, tops.iter().filter_map(|(_, _, d)| *d).collect::<HashSet<_>>());
        let mut owners = Self {
            leaders: HashMap::new(),
            deputies: HashSet::new(),
            operators: Vec::new(),
            users: HashMap::new(),
        };
        for owner in &rule.owner {
            match owner {
                Owner::Leader => owners.leaders = whom::leaders(ctx.tx(), company).await?,
                Owner::Deputy => owners.deputies = whom::deputies(ctx.tx(), company).await?,
                Owner::BotOperator => owners.operators = operators_of(ctx.tx(), company).await?,
                Owner::User(user) => {
                    if let Some(person) = ctx.directory().person_of(company, platform, user).await? {
                        owners.users.insert(user.as_str().to_owned(), person.id);
                    }
                }
            }
        }
        owners.leaders.retain(|d, _| departments.contains(d.as_str()));
        // A deputy stands in the department, and so is known already.
        let candidates = owners.leaders.values().chain(owners.users.values());
        let candidates = candidates.chain(owners.operators.iter().map(|(p, _)| p));
        let unknown: BTreeSet<PersonId> = candidates
            .filter(|p| !people.accounts.contains_key(*p))
            .cloned()
            .collect();
        whom::add_people(ctx.tx(), company, platform, &unknown, people).await?;
        let accounts = &people.accounts;
        owners.leaders.retain(|_, p| accounts.contains_key(p));
        owners.deputies.retain(|p| accounts.contains_key(p));
        owners.operators.retain(|(p, _)| accounts.contains_key(p));
        owners.users.retain(|_, p| accounts.contains_key(p));
        Ok(owners)
    }

    /// The first of the succession who is in the company and has an account.
    pub fn of(&self, rule: &GroupRule, tree: &Tree, department: Option<&str>, people: &People) -> Option<PersonId> {
        rule.owner.iter().find_map(|owner| match owner {
            Owner::Leader => department.and_then(|d| self.leaders.get(d)).cloned(),
            Owner::Deputy => {
                let standing = department.and_then(|d| people.standing.get(d)).into_iter().flatten();
                standing.filter(|p| self.deputies.contains(*p)).min().cloned()
            }
            Owner::BotOperator => {
                let place = department.map(|d| tree.place(d)).unwrap_or_default();
                let covers = |(_, scope): &&(PersonId, crate::access::Scope)| scope.covers(&place);
                self.operators.iter().find(covers).map(|(p, _)| p.clone())
            }
            Owner::User(user) => self.users.get(user.as_str()).cloned(),
        })
    }
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
        let mut rule = crate::rules::groups::tests::rule();
        rule.name = "{company}{dept}·技术交流{no}".into();
        assert_eq!(group_name(&rule, "嵌入式", "研发", "海星"), "海星嵌入式·技术交流{no}");
        rule.name = "{parent}-{dept}".into();
        assert_eq!(group_name(&rule, "{parent}", "{company}", "海星"), "{company}-{parent}");
        let tree = tree();
        assert_eq!(
            ["mkemb", "emb", "0", "x"].map(|d| tree.parent_name(d)),
            ["市场部", "研发中心", "海星", "Y"]
        );
    }
}
