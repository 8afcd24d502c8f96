//! What the platform has no field for and companies keep in members' fields of their own making
//! (通讯录 → 成员资料显示 → 自定义字段; `extattr`, document 90196).

use hutong_model::{Body, Employment, PersonRecord};
use serde_json::Value;

use crate::wire::Element;

/// Names of a company's own fields; the first that a member has counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    pub employee_no: Vec<String>,
    pub joined_on: Vec<String>,
    pub office: Vec<String>,
    pub employment: Vec<String>,
}

impl Default for Fields {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Self {
            employee_no: list(&["工号", "员工编号", "employee_no"]),
            joined_on: list(&["入职日期", "入职时间", "hire_date"]),
            office: list(&["办公地点", "工作地点", "office"]),
            employment: list(&["用工类型", "员工类型", "employment"]),
        }
    }
}

impl Fields {
    /// Reads what `value_of` knows by the names. What is absent or cannot be read stays unknown.
    fn fill<'a>(&self, record: &mut PersonRecord, value_of: impl Fn(&str) -> Option<&'a str>) {
        let find = |names: &[String]| {
            names
                .iter()
                .find_map(|name| value_of(name).map(str::trim).filter(|v| !v.is_empty()))
        };
        if let Some(number) = find(&self.employee_no) {
            record.employee_no = Some(number.to_owned());
        }
        record.joined_on = find(&self.joined_on).and_then(|day| day.parse().ok());
        record.office = find(&self.office).map(str::to_owned);
        record.employment = find(&self.employment).and_then(Employment::from_words);
    }

    /// From a member as `user/get` and `user/list` show them.
    pub fn read_json(&self, member: &Value, record: &mut PersonRecord) {
        let attrs = member.pointer("/extattr/attrs").and_then(Value::as_array);
        self.fill(record, |name| {
            attrs
                .into_iter()
                .flatten()
                .find(|a| a.get("name").and_then(Value::as_str) == Some(name))
                .and_then(|a| a.pointer("/text/value").or_else(|| a.get("value")))
                .and_then(Value::as_str)
        });
    }

    /// From a contact event in the long form, which only integrations older than 2022-08-15 get.
    pub fn read_xml(&self, xml: &Element, body: &mut Body) {
        if let Body::Person {
            record: Some(record), ..
        } = body
        {
            let items = || xml.child("ExtAttr").into_iter().flat_map(|e| e.children_named("Item"));
            self.fill(record, |name| {
                items()
                    .find(|item| item.get("Name") == Some(name))
                    .and_then(|item| item.child("Text"))
                    .and_then(|text| text.get("Value"))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use hutong_model::UserId;
    use serde_json::json;

    use super::*;

    fn read(fields: &Fields, attrs: &Value) -> PersonRecord {
        let mut record = PersonRecord::new(UserId::new("zhangsan").unwrap(), "张三");
        fields.read_json(&json!({"extattr": {"attrs": attrs}}), &mut record);
        record
    }

    #[test]
    fn fields_of_the_companys_own_making_are_read_by_name() {
        let attrs = json!([
            {"type": 0, "name": "工号", "text": {"value": "SL0100"}},
            {"type": 0, "name": "入职日期", "text": {"value": "2026/9/1"}},
            {"type": 0, "name": "办公地点", "text": {"value": "深圳"}},
            {"type": 0, "name": "用工类型", "text": {"value": "外包"}},
            {"type": 1, "name": "卡号", "web": {"url": "https://work.weixin.qq.com", "title": "x"}},
        ]);
        let got = read(&Fields::default(), &attrs);
        assert_eq!(got.employee_no.as_deref(), Some("SL0100"));
        assert_eq!(got.joined_on.map(|d| d.to_string()).as_deref(), Some("2026-09-01"));
        assert_eq!(
            (got.office.as_deref(), got.employment),
            (Some("深圳"), Some(Employment::Outsourced))
        );
        let other = Fields {
            joined_on: vec!["报到".to_owned()],
            ..Fields::default()
        };
        assert_eq!(read(&other, &attrs).joined_on, None, "only the named field counts");
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let attrs = json!([
            {"type": 0, "name": "入职日期", "text": {"value": "上周一"}},
            {"type": 0, "name": "用工类型", "text": {"value": "P6"}},
            {"type": 0, "name": "办公地点", "text": {"value": "  "}},
            {"type": 0, "name": "工号", "text": {"value": 7}},
        ]);
        let got = read(&Fields::default(), &attrs);
        assert_eq!(
            (got.joined_on, got.office, got.employment, got.employee_no),
            (None, None, None, None)
        );
    }

    #[test]
    fn the_long_event_is_read_the_same_way() {
        let xml = Element::parse(
            "<xml><ExtAttr><Item><Name>用工类型</Name><Type>0</Type><Text><Value>实习生</Value></Text></Item></ExtAttr></xml>",
        )
        .unwrap();
        let user = UserId::new("zhangsan").unwrap();
        let mut body = Body::Person {
            record: Some(Box::new(PersonRecord::new(user.clone(), "张三"))),
            user,
            left: false,
        };
        Fields::default().read_xml(&xml, &mut body);
        let Body::Person {
            record: Some(record), ..
        } = body
        else {
            panic!("{body:?}")
        };
        assert_eq!(record.employment, Some(Employment::Intern));
    }
}
