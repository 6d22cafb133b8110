-- People of identity providers, by (issuer, subject). What they were at their last login; e-mail is for show.
CREATE TABLE people (
    person TEXT PRIMARY KEY,
    -- Joins the accounts of one human.
    key TEXT,
    display TEXT NOT NULL,
    email TEXT,
    groups TEXT NOT NULL,
    groups_at INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    revoked_at INTEGER
) WITHOUT ROWID;
CREATE INDEX people_key ON people (key) WHERE key IS NOT NULL;
CREATE TRIGGER people_stay BEFORE DELETE ON people
BEGIN SELECT raise(ABORT, 'people are revoked, not removed'); END;

-- Sessions of both kinds of account. Nobody was promised to stay logged in over an upgrade.
DROP TABLE sessions;
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    person TEXT NOT NULL,
    -- The login (`Login`), as JSON.
    login TEXT NOT NULL,
    -- The provider's session (`sid`), for back-channel logout.
    sid TEXT,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_person ON sessions (person);
CREATE INDEX sessions_sid ON sessions (sid) WHERE sid IS NOT NULL;

-- Logins under way at the identity provider, by the hash of `state`. Spent once.
CREATE TABLE logins (
    hash BLOB PRIMARY KEY,
    -- Nonce, PKCE verifier, where to go on: JSON, sealed.
    sealed BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Chat accounts and whose they are.
CREATE TABLE accounts (
    -- `slack:TEAM/USER`, `teams:TENANT/OBJECT`.
    account TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    -- `login`, `attribute`, `email`.
    how TEXT NOT NULL,
    linked_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX accounts_person ON accounts (person);

-- One-time tickets that link a chat account to who signs in with them.
CREATE TABLE tickets (
    hash BLOB PRIMARY KEY,
    account TEXT NOT NULL,
    display TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What was posted where, so that any instance can bring it up to date, also after a restart.
CREATE TABLE cards (
    -- Opaque; the value of the buttons.
    button TEXT PRIMARY KEY,
    hold TEXT NOT NULL REFERENCES holds (id),
    -- The name of the channel in the configuration.
    channel TEXT NOT NULL,
    -- Where the message stands, as the chat service names it: JSON. Several holds may share one message.
    message TEXT NOT NULL,
    -- The digest that the card shows.
    digest BLOB NOT NULL,
    -- Whether the card offers to approve: only when it shows the whole request.
    whole INTEGER NOT NULL,
    -- The version of the hold that it shows.
    version INTEGER NOT NULL,
    posted_at INTEGER NOT NULL,
    UNIQUE (hold, channel)
) WITHOUT ROWID;
CREATE INDEX cards_message ON cards (channel, message);
CREATE INDEX cards_posted ON cards (channel, posted_at);

-- Conversations of chat services that told us where they are: to post in, and to speak to one person alone.
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- `personal`, `groupChat`, `channel`.
    kind TEXT NOT NULL,
    -- Where to answer. Checked against the configuration before each use.
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Of a personal one: whose.
    account TEXT,
    seen_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX conversations_account ON conversations (account) WHERE account IS NOT NULL;

-- How far the ledger has been read into `deliveries`.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) WITHOUT ROWID;

-- What is to be told to whom: the outbox. Rows are made from ledger rows, each once.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The name of a channel or webhook in the configuration.
    channel TEXT NOT NULL,
    -- `card`, `notice`, `digest`, `event`.
    kind TEXT NOT NULL,
    -- The ledger row that it comes from.
    seq INTEGER NOT NULL,
    -- Tells apart what one ledger row leads to for one channel: 0 at once, then the steps of escalation.
    step INTEGER NOT NULL DEFAULT 0,
    hold TEXT,
    body TEXT NOT NULL,
    -- To be told only while the hold is pending.
    while_pending INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    -- When it was first due: the time to give up counts from here.
    begins_at INTEGER NOT NULL,
    -- When to try (again); NULL: it is over.
    due_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- NULL when it is over: it was given up.
    done_at INTEGER,
    -- Of the last attempt: what was answered, or what went wrong.
    answer TEXT,
    UNIQUE (channel, kind, seq, step)
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (channel, kind, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_hold ON deliveries (hold);

-- Holds that a channel is told of all together, because there were too many for a card each.
CREATE TABLE digested (
    channel TEXT NOT NULL,
    hold TEXT NOT NULL REFERENCES holds (id),
    at INTEGER NOT NULL,
    PRIMARY KEY (channel, hold)
) WITHOUT ROWID;

-- Where the digest of a channel stands, as the chat service names it, while one does.
CREATE TABLE digests (
    channel TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    posted_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Webhooks whose receiver said that it is gone, and the address that said so: another one starts afresh.
CREATE TABLE disabled_webhooks (
    name TEXT PRIMARY KEY,
    address BLOB NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- Temporary passes that came out of a reviewed request.
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    -- The reviewed request.
    hold TEXT NOT NULL REFERENCES holds (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    rule TEXT NOT NULL,
    -- `request`, `resource`, `rule`.
    scope TEXT NOT NULL,
    -- SHA-256 of what must be the same, by scope.
    same TEXT NOT NULL,
    person TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    used INTEGER NOT NULL DEFAULT 0,
    revoked_at INTEGER,
    revoked_by TEXT
) WITHOUT ROWID;
CREATE INDEX grants_hold ON grants (hold);
CREATE INDEX grants_live ON grants (agent_id, rule, expires_at) WHERE revoked_at IS NULL;
CREATE TRIGGER grants_stay BEFORE DELETE ON grants
BEGIN SELECT raise(ABORT, 'grants are revoked, not removed'); END;
CREATE TRIGGER grants_end BEFORE UPDATE OF revoked_at ON grants WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT raise(ABORT, 'a revoked grant stays revoked'); END;
CREATE TRIGGER grants_fixed BEFORE UPDATE OF id, hold, agent_id, rule, scope, same, person, created_at, expires_at
    ON grants
BEGIN SELECT raise(ABORT, 'what was granted does not change'); END;

ALTER TABLE votes ADD COLUMN assurance TEXT NOT NULL DEFAULT 'login';
ALTER TABLE votes ADD COLUMN account TEXT;
-- Stands for the votes of a hold that nobody was asked about.
ALTER TABLE holds ADD COLUMN by_grant TEXT REFERENCES grants (id);

-- How an agent was enrolled: by whom, or by which workload (`issuer|subject pattern`).
ALTER TABLE agents ADD COLUMN enrolled_by TEXT;
ALTER TABLE agents ADD COLUMN workload TEXT;
CREATE UNIQUE INDEX agents_workload ON agents (workload) WHERE workload IS NOT NULL;

-- An agent with more holds open than it may have: since when, and at how many it has calmed down.
ALTER TABLE agents ADD COLUMN flooding_since INTEGER;
ALTER TABLE agents ADD COLUMN calm_at INTEGER;
CREATE TRIGGER agents_calm AFTER UPDATE OF pending ON agents
WHEN NEW.flooding_since IS NOT NULL AND NEW.pending <= NEW.calm_at
BEGIN UPDATE agents SET flooding_since = NULL WHERE id = NEW.id; END;

-- For looking at reviewing itself: times and outcomes without the records beside them.
CREATE INDEX holds_reviewed ON holds (created_at, rule, state, decided_at, by_grant, seq);
CREATE INDEX votes_cast ON votes (at, person, choice, channel, hold);
