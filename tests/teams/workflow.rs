//! Workflows: a notice with a link, to an address that is a secret.

use super::support::Wire;
use super::{Scene, rule};
use serde_json::json;

#[tokio::test]
async fn a_workflow_gets_a_card_that_only_links() {
    let teams = super::support::teams::Teams::start().await;
    let query = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=aB%2Bc_d-e";
    let url = format!("http://{}/flow?{query}", teams.addr);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{url}\n")).expect("written");
    let channels = json!({ "flow": { "workflow": { "file": file.path() } } });
    let scene = Scene::with(&rule("{}"), |setup| setup.set("/channels", channels)).await;
    let mut wire: Wire = scene.park("/held/things", "{}").await;
    let call = teams.wait("a call of the workflow", |teams| teams.calls().into_iter().next()).await;
    assert_eq!(call.target, format!("/flow?{query}"), "not a byte of the address is changed");
    assert_eq!(call.body["type"], "message");
    let attachment = &call.body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let id = scene.hold_id().await;
    let page = format!("https://holds.example.com/holds/{id}");
    assert_eq!(
        attachment["content"]["actions"],
        json!([{ "type": "Action.OpenUrl", "title": "Open the review", "url": page }])
    );

    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(wire.reply().await.status, 200);
    assert!(!scene.holdpoint.log().contains("sig="), "the address is a secret");
    assert_eq!(teams.calls().len(), 1);
}
