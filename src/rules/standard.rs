//! The standard packs, embedded: name and text of each. A new file in `rules/` gets its line here.

/// Name (`standard/github.yaml`) and text of every embedded pack.
pub const STANDARD: &[(&str, &str)] = &[
    ("standard/aws.yaml", include_str!("../../rules/aws.yaml")),
    ("standard/cloudflare.yaml", include_str!("../../rules/cloudflare.yaml")),
    ("standard/datadog.yaml", include_str!("../../rules/datadog.yaml")),
    ("standard/git.yaml", include_str!("../../rules/git.yaml")),
    ("standard/github.yaml", include_str!("../../rules/github.yaml")),
    ("standard/google-cloud.yaml", include_str!("../../rules/google-cloud.yaml")),
    ("standard/http.yaml", include_str!("../../rules/http.yaml")),
    ("standard/kubernetes-in-cluster.yaml", include_str!("../../rules/kubernetes-in-cluster.yaml")),
    ("standard/kubernetes.yaml", include_str!("../../rules/kubernetes.yaml")),
    ("standard/language-models.yaml", include_str!("../../rules/language-models.yaml")),
    ("standard/linear.yaml", include_str!("../../rules/linear.yaml")),
    ("standard/mcp.yaml", include_str!("../../rules/mcp.yaml")),
    ("standard/messaging.yaml", include_str!("../../rules/messaging.yaml")),
    ("standard/okta.yaml", include_str!("../../rules/okta.yaml")),
    ("standard/publishing.yaml", include_str!("../../rules/publishing.yaml")),
    ("standard/slack.yaml", include_str!("../../rules/slack.yaml")),
    ("standard/stripe.yaml", include_str!("../../rules/stripe.yaml")),
    ("standard/terraform-cloud.yaml", include_str!("../../rules/terraform-cloud.yaml")),
];
