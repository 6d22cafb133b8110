//! `holdpoint teams`: what an administrator of Teams needs: the app package, and whether the bot's settings are good.

use super::out;
use crate::config::Config;
use crate::notify::teams::{self, ENDPOINT, Settings};
use crate::outbound::Outbound;
use crate::routing::Place;
use crate::store::Store;
use crate::tls::{Trust, provider};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Write the app package that is uploaded to Teams
    Package {
        /// Where to write it
        #[arg(long, short, value_name = "FILE", default_value = "holdpoint-teams.zip")]
        output: PathBuf,
    },
    /// Check the bot's credentials, and say what to enter in Azure and what comes next
    Setup,
    /// List the conversations that the bot was added to, with the ids for `channels`
    Conversations {
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let settings = config.teams.as_ref();
    let settings = settings.context(
        "Teams is not configured: set `teams.app-id`, `teams.app-secret` and `teams.tenant` (docs/teams.md)",
    )?;
    match command {
        Command::Package { output } => {
            let bytes = teams::package(settings, &config.control.base_url())?;
            let mut file =
                std::fs::File::create(&output).context(format!("cannot write `{}`", output.display()))?;
            file.write_all(&bytes)?;
            out::line(&format!("wrote {}: upload it in the Teams admin center", output.display()))?;
        }
        Command::Setup => return setup(config, settings).await,
        Command::Conversations { json } => conversations(config, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn setup(config: &Config, settings: &Settings) -> anyhow::Result<ExitCode> {
    let trust = Trust::new(&config.upstream.extra_ca, &provider()).ok();
    let credentials = teams::check(settings, &Outbound::new(trust.as_ref())).await;
    let base = config.control.base_url();
    let reachable = base.starts_with("https://");
    let listed = config.channels.values().filter(|place| matches!(place, Place::Teams(_))).count();

    let mut lines = vec![
        format!("cloud        {}", settings.cloud.as_str()),
        format!("bot          {}", settings.app_id),
    ];
    lines.push(match &credentials {
        Ok(()) => "credentials  good: Entra gave a token".to_owned(),
        Err(why) => format!("credentials  NOT good: {why}"),
    });
    let tenants: Vec<&str> = settings.tenants.iter().map(String::as_str).collect();
    lines.push(format!("tenants      {}", tenants.join(", ")));
    lines.push(format!("endpoint     {base}{ENDPOINT}"));
    if !reachable {
        lines.push(
            "             Teams calls https addresses only: set `control.url` to the one it reaches"
                .to_owned(),
        );
    }
    lines.push(format!("channels     {listed} in the configuration"));
    lines.push(String::new());
    lines.push("Next:".to_owned());
    lines.push(
        "1. Azure portal, your Azure Bot, Configuration: enter the endpoint as messaging endpoint."
            .to_owned(),
    );
    lines.push("2. The same bot, Channels: add Microsoft Teams.".to_owned());
    lines.push("3. holdpoint teams package, and upload the file in the Teams admin center.".to_owned());
    lines.push("4. Add the app to the team or chat where reviewers are, and to each reviewer.".to_owned());
    lines.push("5. holdpoint teams conversations, and enter the id under `channels`.".to_owned());
    out::line(&lines.join("\n"))?;
    Ok(if credentials.is_ok() && reachable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn conversations(config: &Config, json: bool) -> anyhow::Result<()> {
    let store = Store::open(&config.store).await?;
    let known = teams::conversations(&store).await;
    store.close().await;
    let known = known?;
    if json {
        return out::json(&known);
    }
    if known.is_empty() {
        out::line("None yet. Add the app to a team or chat; Teams then tells Holdpoint where it is.")?;
        return Ok(());
    }
    let rows: Vec<[String; 3]> = known.into_iter().map(|known| [known.kind, known.name, known.id]).collect();
    out::line(&out::columns(["KIND", "NAME", "ID"], &rows))?;
    Ok(())
}
