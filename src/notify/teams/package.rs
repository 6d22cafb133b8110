//! The app package: what an administrator of Teams uploads so that people see the bot.

use super::settings::Settings;
use serde_json::{Value, json};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    #[error("Teams takes only https addresses, and the inbox is at `{0}`: set `control.url`")]
    NotHttps(String),
    #[error("the app package cannot be put together")]
    Zip(#[from] zip::result::ZipError),
}

/// A zip of `manifest.json` and two icons. The same for the same settings, to the byte.
///
/// # Errors
/// The inbox has no https address; it cannot be put together.
pub fn package(settings: &Settings, public_url: &str) -> Result<Vec<u8>, PackageError> {
    let domain = public_url.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let domain = domain.ok_or_else(|| PackageError::NotHttps(public_url.to_owned()))?;
    let manifest = format!("{:#}\n", manifest(settings, public_url, domain));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in
        [("manifest.json", manifest.as_bytes()), ("color.png", COLOR), ("outline.png", OUTLINE)]
    {
        zip.start_file(name, options)?;
        zip.write_all(bytes).map_err(zip::result::ZipError::Io)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// By the schema of app manifests, version 1.22 (learn.microsoft.com/microsoftteams/platform/resources/schema).
fn manifest(settings: &Settings, home: &str, domain: &str) -> Value {
    json!({
        "$schema": "https://developer.microsoft.com/json-schemas/teams/v1.22/MicrosoftTeams.schema.json",
        "manifestVersion": "1.22",
        "version": env!("CARGO_PKG_VERSION"),
        "id": settings.app_id,
        "name": { "short": "Holdpoint", "full": "Holdpoint: reviews for AI agents" },
        "description": {
            "short": "Holds what AI agents would do until a person decides.",
            "full": "Posts a card when an AI agent wants to do something that a person must decide on, with the exact \
                     request, who runs the agent and why it was stopped. Reviewers approve or deny on the card, as \
                     themselves. Nobody approves their own agent.",
        },
        "developer": { "name": "Holdpoint", "websiteUrl": home, "privacyUrl": home, "termsOfUseUrl": home },
        "icons": { "color": "color.png", "outline": "outline.png" },
        "accentColor": "#1F3A5F",
        "bots": [{
            "botId": settings.app_id,
            "scopes": ["team", "personal", "groupChat"],
            "supportsFiles": false,
            "isNotificationOnly": false,
        }],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [domain],
    })
}

/// 192 × 192.
const COLOR: &[u8] = include_bytes!("color.png");
/// 32 × 32, white on nothing.
const OUTLINE: &[u8] = include_bytes!("outline.png");

#[cfg(test)]
mod tests {
    use super::super::Cloud;
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_package_has_what_teams_asks_for() {
        let app = "0B1C2D3E-0000-4000-8000-00000000000A";
        let settings = Settings::new(app, "secret".to_owned().into(), "t", Cloud::Public);
        assert!(matches!(package(&settings, "http://127.0.0.1:8081"), Err(PackageError::NotHttps(_))));
        let bytes = package(&settings, "https://holds.example.com").unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        zip.by_name("manifest.json").unwrap().read_to_string(&mut text).unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest["bots"][0]["botId"], app.to_lowercase());
        assert_eq!(manifest["bots"][0]["scopes"], json!(["team", "personal", "groupChat"]));
        assert_eq!(manifest["validDomains"], json!(["holds.example.com"]));
        assert!(!text.contains("secret"));
        let short = |pointer: &str, most: usize| {
            assert!(manifest.pointer(pointer).unwrap().as_str().unwrap().len() <= most, "{pointer}");
        };
        short("/name/short", 30);
        short("/name/full", 100);
        short("/description/short", 80);
        short("/description/full", 4_000);
        short("/developer/name", 32);
        for (name, side) in [("color.png", 192_u32), ("outline.png", 32)] {
            let mut icon = Vec::new();
            zip.by_name(name).unwrap().read_to_end(&mut icon).unwrap();
            assert_eq!(&icon[..8], b"\x89PNG\r\n\x1a\n", "{name}");
            assert_eq!(icon[16..24], [side.to_be_bytes(), side.to_be_bytes()].concat(), "{name}");
        }
    }
}
