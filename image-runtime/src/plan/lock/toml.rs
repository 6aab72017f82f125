//! TOML as it stands in `image.lock`, from and to JSON values: long arrays have a line for each item.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

const HEAD: &str = "\
# What the images of this program hold: bases, packages, tools, files of addresses. `lock` writes it, `build --locked` builds exactly this,
# and `lock --update` renews it. It belongs into version control.
";

/// Tables that have a header of their own.
const HEADED: [&str; 4] = ["base", "address", "image", "step"];

/// Keys that come first, in this order; the others follow in theirs.
const FIRST: [&str; 5] = ["version", "of", "name", "step", "definition"];

/// The text of a value.
pub(super) fn text(value: &Value) -> String {
    let mut text = HEAD.to_owned();
    if let Value::Object(table) = value {
        put_table(&mut text, "", table);
    }
    text
}

/// The value of a text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let table = DeTable::parse(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    Ok(value_of_table(table.get_ref()))
}

fn value_of_table(table: &DeTable<'_>) -> Value {
    let entries = table.iter();
    let entries =
        entries.map(|(key, value)| (key.get_ref().to_string(), value_of(value.get_ref())));
    Value::Object(entries.collect())
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => number
            .to_string()
            .parse::<i64>()
            .map_or(Value::Null, Value::from),
        DeValue::Boolean(is) => Value::Bool(*is),
        DeValue::Array(items) => items.iter().map(|item| value_of(item.get_ref())).collect(),
        DeValue::Table(table) => value_of_table(table),
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Null,
    }
}

fn put_table(text: &mut String, path: &str, table: &Map<String, Value>) {
    let headed =
        |key: &str, value: &Value| HEADED.contains(&key) && matches!(value, Value::Array(_));
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| {
        FIRST
            .iter()
            .position(|first| first == key)
            .unwrap_or(FIRST.len())
    });
    for (key, value) in &entries {
        if !headed(key, value) {
            *text += &format!("{} = {}\n", name(key), inline(value, 0));
        }
    }
    for (key, value) in entries {
        let Some(tables) = value.as_array().filter(|_| headed(key, value)) else {
            continue;
        };
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        for table in tables.iter().filter_map(Value::as_object) {
            *text += &format!("\n[[{path}]]\n");
            put_table(text, &path, table);
        }
    }
}

/// The value; lines of arrays are indented by how deep they stand in others.
fn inline(value: &Value, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    match value {
        Value::Array(items) if items.is_empty() => "[]".into(),
        Value::Array(items) => {
            let items: String = items
                .iter()
                .map(|item| format!("{indent}    {},\n", inline(item, depth + 1)))
                .collect();
            format!("[\n{items}{indent}]")
        }
        Value::Object(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, value)| (value.is_array(), *key != "name"));
            let entries = entries.into_iter();
            let entries: Vec<_> = entries
                .map(|(key, value)| format!("{} = {}", name(key), inline(value, depth)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // JSON's escapes are TOML's, too.
        Value::String(text) => Value::from(text.as_str())
            .to_string()
            .replace('\u{7f}', "\\u007f"),
        other => other.to_string(),
    }
}

fn name(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !key.is_empty() && key.bytes().all(plain) {
        true => key.to_owned(),
        false => inline(&Value::from(key), 0),
    }
}
