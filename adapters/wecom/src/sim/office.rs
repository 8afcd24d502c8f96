//! The app's own page, its menu, calendars and schedules (documents 90227, 90231; official API
//! catalogue: AddCalendar, AddSchedule).

use hutong_simkit::{Done, SimError};
use serde_json::{Value, json};

use super::api::{Answer, Params, no, text};
use super::reply::Context;
use super::seal::cdata;
use super::state::App;
use super::{Core, WeComSim};

impl Core {
    pub(super) fn agent(&self, app: &App, params: &Params) -> Answer {
        match params.get("agentid").and_then(|a| a.parse::<i64>().ok()) {
            Some(id) if id == app.agent_id => {}
            _ => return no(301_002, "agentid not match token"),
        }
        let state = self.state();
        let departments: Vec<i64> = state.range(app).iter().filter_map(|d| d.parse().ok()).collect();
        Ok(json!({
            "agentid": app.agent_id,
            "name": app.name,
            "allow_userinfos": {"user": []},
            "allow_partys": {"partyid": departments},
            "allow_tags": {"tagid": []},
            "close": i32::from(!state.allowed(app, "enabled")),
            "redirect_domain": "",
            "report_location_flag": 0,
            "isreportenter": 1,
        }))
    }

    pub(super) fn menu_create(&self, app: &App, params: &Params, body: &Value) -> Answer {
        if params.get("agentid").and_then(|a| a.parse::<i64>().ok()) != Some(app.agent_id) {
            return no(301_002, "agentid not match token");
        }
        let list = |v: &Value, name: &str| v.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let buttons = list(body, "button");
        if !(1..=3).contains(&buttons.len()) {
            return no(40016, "1 to 3 buttons");
        }
        for button in &buttons {
            let name = text(button, "name").len();
            if !(1..=16).contains(&name) {
                return no(40018, "button name: at most 16 bytes");
            }
            let below = list(button, "sub_button");
            if below.is_empty() {
                entry(button, 40017, 40019, 40020)?;
            } else if below.len() > 5 {
                return no(40023, "at most 5 sub buttons");
            }
            for sub in &below {
                if !(1..=40).contains(&text(sub, "name").len()) {
                    return no(40025, "sub button name: at most 40 bytes");
                }
                entry(sub, 40024, 40026, 40027)?;
            }
        }
        self.state().menus.insert(app.agent_id, body.clone());
        Ok(json!({}))
    }

    pub(super) fn calendar_add(&self, app: &App, body: &Value) -> Answer {
        let Some(calendar) = body.get("calendar") else {
            return no(40058, "calendar is missing");
        };
        let organizer = text(calendar, "organizer").to_owned();
        if self.state().active(&organizer).is_none() {
            return no(60111, "organizer not found");
        }
        let colour = text(calendar, "color");
        if text(calendar, "summary").is_empty() || (!colour.is_empty() && colour.len() != 7) {
            return no(40058, "summary, and color as #RRGGBB");
        }
        let id = self.code("wc");
        self.state().calendars.insert(id.clone(), (app.id.clone(), organizer));
        Ok(json!({"cal_id": id}))
    }

    pub(super) fn schedule_add(&self, app: &App, body: &Value) -> Answer {
        let Some(entry) = body.get("schedule") else {
            return no(40058, "schedule is missing");
        };
        let organizer = text(entry, "organizer");
        {
            let state = self.state();
            if state.active(organizer).is_none() {
                return no(60111, "organizer not found");
            }
            let calendar = text(entry, "cal_id");
            if !calendar.is_empty() {
                match state.calendars.get(calendar) {
                    Some((owner, person)) if *owner == app.id && person.eq_ignore_ascii_case(organizer) => {}
                    _ => return no(90466, "not a calendar of this app"),
                }
            }
            let attendees = entry
                .get("attendees")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            if attendees.len() > 2000 {
                return no(40058, "at most 2000 attendees");
            }
            if let Some(stranger) = attendees.iter().find(|a| state.active(text(a, "userid")).is_none()) {
                return no(60111, format!("attendee {} not found", text(stranger, "userid")));
            }
        }
        let time = |n: &str| entry.get(n).and_then(Value::as_i64);
        match (time("start_time"), time("end_time")) {
            (Some(from), Some(to)) if from <= to => {}
            _ => return no(40058, "start_time and end_time"),
        }
        let remind = entry
            .pointer("/reminders/remind_before_event_secs")
            .and_then(Value::as_i64);
        if !matches!(remind, None | Some(0 | 300 | 900 | 3600 | 86400)) {
            return no(40058, "remind_before_event_secs");
        }
        let made = self.code("sch");
        self.state().schedules.push(entry.clone());
        Ok(json!({"schedule_id": made}))
    }
}

/// A button that does something by itself.
fn entry(button: &Value, kind: i64, key: i64, url: i64) -> Result<(), (i64, String)> {
    match text(button, "type") {
        "click" if (1..=128).contains(&text(button, "key").len()) => Ok(()),
        "click" => no(key, "key: 1 to 128 bytes"),
        "view" if (1..=1024).contains(&text(button, "url").len()) => Ok(()),
        "view" => no(url, "url: 1 to 1024 bytes"),
        _ => no(kind, "invalid button type"),
    }
}

impl WeComSim {
    /// A person presses an entry of the app's menu.
    pub async fn press_menu(&self, person: &str, app: &str, name: &str) -> Result<Done, SimError> {
        let done = self.core.press_menu(person, app, name).await;
        self.core.changed();
        done
    }
}

impl Core {
    async fn press_menu(&self, person: &str, app: &str, name: &str) -> Result<Done, SimError> {
        let (app, from, entry) = {
            let state = self.state();
            let app = state
                .app(app)
                .cloned()
                .ok_or_else(|| SimError::NotFound(format!("app {app}")))?;
            let from = state
                .reachable(&app, person)
                .ok_or_else(|| SimError::NotFound(format!("person {person} in the app's visible range")))?;
            let menu = state.menus.get(&app.agent_id).cloned().unwrap_or_default();
            let list = |v: &Value, name: &str| v.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            let entry = list(&menu, "button")
                .into_iter()
                .flat_map(|button| match list(&button, "sub_button") {
                    below if below.is_empty() => vec![button],
                    below => below,
                })
                .find(|button| text(button, "name") == name)
                .ok_or_else(|| SimError::Refused(format!("the menu has no entry {name}")))?;
            (app, from, entry)
        };
        let (event, key) = match text(&entry, "type") {
            "click" => ("click", text(&entry, "key")),
            _ => ("view", text(&entry, "url")),
        };
        let fields = format!(
            "<MsgType>{}</MsgType><Event>{}</Event><EventKey>{}</EventKey>",
            cdata("event"),
            cdata(event),
            cdata(key)
        );
        let mut done = Done::default();
        let label = format!("{event} {key} by {from}");
        self.app_event(&app, &from, &label, &fields, Context::Nothing, &mut done)
            .await;
        Ok(done)
    }
}
