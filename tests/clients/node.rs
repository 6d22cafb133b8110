//! Clients in Node. Those that read no variable are told of the proxy in code, as their documentation says.

use super::python::{AWS_NAMES, AWS_VARYING, TABLES};
use super::story::{Again, Client, Prints, whole_story};
use super::{Scene, node, script, strings, tools};

fn client(name: &'static str, function: &'static str, varying: &'static [&'static str]) -> Client {
    let peers = format!("PEERS={}", tools().join("node").display());
    let command = move |call: &str| strings(&["env", &peers, &node(), &script("calls.mjs"), function, call]);
    Client { name, command: Box::new(command), prints: Prints::Json, varying, again: Again::InANewRun }
}

async fn tells(name: &'static str, function: &'static str) {
    whole_story(&Scene::new(|setup| setup).await, &client(name, function, &[])).await;
}

#[tokio::test]
async fn fetch() {
    tells("Node: fetch", "fetch").await;
}

#[tokio::test]
async fn fetch_upload() {
    tells("Node: fetch (form)", "form").await;
}

#[tokio::test]
async fn undici() {
    tells("Node: undici", "undici").await;
}

#[tokio::test]
async fn axios() {
    tells("Node: axios", "axios").await;
}

#[tokio::test]
async fn octokit() {
    tells("Node: octokit", "octokit").await;
}

#[tokio::test]
async fn openai() {
    tells("Node: openai", "openai").await;
}

#[tokio::test]
async fn aws_sdk() {
    let scene = Scene::service("moto", &AWS_NAMES, |setup| setup.rules(TABLES)).await;
    whole_story(&scene, &client("Node: AWS SDK v3", "aws", AWS_VARYING)).await;
}

#[tokio::test]
async fn ws() {
    let scene = Scene::service("websockets", &["api.test"], |setup| setup).await;
    whole_story(&scene, &client("Node: ws", "ws", &["sec-websocket-key"])).await;
}
