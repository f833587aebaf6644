//! `trial.toml`: a trial's configuration, to be read by people and `fovea explain`. The main function is [`write`].

use crate::OrchestratorError;
use fovea_plan::TrialConfig;
use fovea_records::store;
use serde_json::Value;
use std::path::Path;

/// Writes the configuration.
pub(crate) fn write(path: &Path, config: &TrialConfig) -> Result<(), OrchestratorError> {
    let failed = |message: String| OrchestratorError::Config { path: path.to_owned(), message };
    let mut value = serde_json::to_value(config).map_err(|e| failed(e.to_string()))?;
    drop_nulls(&mut value);
    let text = toml_edit::ser::to_string_pretty(&value).map_err(|e| failed(e.to_string()))?;
    store::write_atomic(path, text.as_bytes())?;
    Ok(())
}

/// TOML has no null: an absent key means the same.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_vanish_from_toml() {
        let mut value = serde_json::json!({"a": null, "b": [{"c": null, "d": 1}]});
        drop_nulls(&mut value);
        assert_eq!(value, serde_json::json!({"b": [{"d": 1}]}));
    }
}
