//! What a parsed statement would do.

use super::Dialect;
use super::doubt;
use super::pure;
use sqlparser::ast::{
    BinaryOperator, CopyIntoSnowflakeKind, CopySource, CopyTarget, Expr, Function, Ident, MergeAction,
    ObjectName, ObjectNamePart, ObjectType, PipeOperator, Query, Select, Set, Statement, TableFactor,
    TableObject, Use, UtilityOption, Visit, Visitor,
};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// What a statement does. A statement can be of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// And nothing else.
    Read,
    Write,
    /// Rows, or what holds them: `DELETE`, `TRUNCATE`, `DROP TABLE`, `INSERT OVERWRITE`.
    Delete,
    /// What there is: `CREATE`, `ALTER`, `DROP`.
    Ddl,
    /// Who may do what: `GRANT`, roles, users, policies.
    Permissions,
    /// Data leaves the database: `COPY … TO`, `UNLOAD`, `EXPORT DATA`.
    Export,
    /// Something stored, or something outside, is run: `CALL`, `EXECUTE`.
    Execute,
    /// Nobody can tell.
    Unknown,
}

impl Class {
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::Ddl,
        Self::Permissions,
        Self::Export,
        Self::Execute,
        Self::Unknown,
    ];
    pub const WORDS: [&'static str; 8] =
        ["read", "write", "delete", "ddl", "permissions", "export", "execute", "unknown"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Ddl => "ddl",
            Self::Permissions => "permissions",
            Self::Export => "export",
            Self::Execute => "execute",
            Self::Unknown => "unknown",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of classes; [`Class::Read`] only when there is no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes(u8);

impl Classes {
    pub const fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    pub(super) const fn with(self, class: Class) -> Self {
        Self(self.0 & !Class::Read.bit() | class.bit())
    }

    /// In the order of [`Class::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }
}

impl From<Class> for Classes {
    fn from(class: Class) -> Self {
        Self(class.bit())
    }
}

/// What was found in a statement.
pub(super) struct Found {
    pub(super) classes: Classes,
    pub(super) tables: Vec<String>,
    /// Whether `tables` are all that it touches.
    pub(super) complete: bool,
    pub(super) doubt: Option<Cow<'static, str>>,
}

pub(super) fn of(statement: &Statement, dialect: Dialect) -> Found {
    let mut look =
        Look { dialect, classes: 0, tables: Vec::new(), complete: true, doubt: None, explained: 0 };
    let _ = statement.visit(&mut look);
    let classes = if look.classes == 0 { Class::Read.bit() } else { look.classes };
    Found { classes: Classes(classes), tables: look.tables, complete: look.complete, doubt: look.doubt }
}

/// Walks a statement and everything in it.
struct Look {
    dialect: Dialect,
    /// Bits of what is more than a read.
    classes: u8,
    tables: Vec<String>,
    complete: bool,
    doubt: Option<Cow<'static, str>>,
    /// Statements ahead that are only explained.
    explained: usize,
}

impl Look {
    fn is(&mut self, classes: &[Class]) {
        classes.iter().for_each(|class| self.classes |= class.bit());
    }

    fn doubt(&mut self, why: impl Into<Cow<'static, str>>) {
        self.is(&[Class::Unknown]);
        self.doubt.get_or_insert(why.into());
    }

    fn table(&mut self, name: &ObjectName) {
        let parts = name.0.iter().map(|part| match part {
            ObjectNamePart::Identifier(ident) => ident.value.as_str(),
            ObjectNamePart::Function(_) => "",
        });
        let name = parts.collect::<Vec<_>>().join(".");
        if !self.tables.contains(&name) {
            self.tables.push(name);
        }
    }

    fn function(&mut self, name: &ObjectName) {
        if !pure::is_function(name, self.dialect) {
            self.doubt(format!("it calls `{name}`, which is not known to only read"));
        }
    }

    fn table_function(&mut self, name: &ObjectName) {
        // Where functions stand in one list, those of tables are among them.
        let one_list = self.dialect == Dialect::Postgres && pure::is_function(name, self.dialect);
        if !pure::is_table_function(name, self.dialect) && !one_list {
            self.doubt(format!("it reads from `{name}(…)`, which is not known to only read"));
        }
    }

    fn statement(&mut self, statement: &Statement) {
        use Class::{Ddl, Delete, Execute, Export, Permissions, Unknown, Write};
        match statement {
            Statement::Query(_) => {}
            Statement::Insert(insert) => {
                self.is(&[Write]);
                if insert.overwrite {
                    self.is(&[Delete]);
                }
                match &insert.table {
                    TableObject::TableName(_) => {}
                    TableObject::TableFunction(_) | TableObject::TableQuery(_) => self.is(&[Export]),
                }
                for clause in &insert.multi_table_into_clauses {
                    self.table(&clause.table_name);
                }
            }
            Statement::Update(_) => self.is(&[Write]),
            Statement::Merge(merge) => {
                self.is(&[Write]);
                if merge.clauses.iter().any(|clause| matches!(clause.action, MergeAction::Delete { .. })) {
                    self.is(&[Delete]);
                }
            }
            Statement::Delete(delete) => {
                self.is(&[Delete]);
                delete.tables.iter().for_each(|table| self.table(table));
            }
            Statement::Truncate(_) => self.is(&[Delete]),
            Statement::LoadData { table_name, .. } => {
                self.is(&[Write]);
                self.table(table_name);
            }
            Statement::Copy { source, to, target, .. } => {
                self.is(if *to { &[Export] } else { &[Write] });
                if matches!(target, CopyTarget::Program { .. }) {
                    self.is(&[Execute]);
                }
                match source {
                    CopySource::Table { table_name, .. } => self.table(table_name),
                    CopySource::Query(_) => {}
                }
            }
            Statement::CopyIntoSnowflake { kind, into, .. } => match kind {
                CopyIntoSnowflakeKind::Table => {
                    self.is(&[Write]);
                    self.table(into);
                }
                CopyIntoSnowflakeKind::Location => {
                    self.is(&[Export]);
                    self.complete = false;
                }
            },
            Statement::Unload { query, .. } => {
                self.is(&[Export]);
                // As a text, it is not parsed.
                self.complete &= query.is_some();
            }
            Statement::ExportData(_) | Statement::Directory { .. } => self.is(&[Export]),
            Statement::Drop { object_type, names, .. } => {
                match object_type {
                    ObjectType::Role | ObjectType::User => self.is(&[Permissions]),
                    ObjectType::Table
                    | ObjectType::MaterializedView
                    | ObjectType::Schema
                    | ObjectType::Database
                    | ObjectType::Stage
                    | ObjectType::Stream => self.is(&[Ddl, Delete]),
                    ObjectType::Collation
                    | ObjectType::View
                    | ObjectType::Index
                    | ObjectType::Sequence
                    | ObjectType::Type
                    | ObjectType::Warehouse => self.is(&[Ddl]),
                }
                names.iter().for_each(|name| self.table(name));
                self.complete &= matches!(object_type, ObjectType::Table | ObjectType::View);
            }
            Statement::CreateTable(create) => {
                self.is(&[Ddl]);
                self.table(&create.name);
                if create.or_replace {
                    self.is(&[Delete]);
                }
                if create.location.is_some() && create.query.is_some() {
                    self.is(&[Export]);
                }
            }
            Statement::CreateView(create) => {
                self.is(&[Ddl]);
                self.table(&create.name);
            }
            Statement::AlterTable(alter) => {
                self.is(&[Ddl]);
                self.table(&alter.name);
                let text =
                    alter.operations.iter().map(|operation| operation.to_string().to_ascii_uppercase());
                for operation in text {
                    if operation.starts_with("DROP") {
                        self.is(&[Delete]);
                    }
                    if operation.starts_with("OWNER") || operation.contains("ROW LEVEL SECURITY") {
                        self.is(&[Permissions]);
                    }
                }
            }
            Statement::CreateVirtualTable { .. }
            | Statement::CreateIndex(_)
            | Statement::CreateServer(_)
            | Statement::CreateConnector(_)
            | Statement::CreateOperator(_)
            | Statement::CreateOperatorFamily(_)
            | Statement::CreateOperatorClass(_)
            | Statement::CreateTextSearch(_)
            | Statement::CreateCollation(_)
            | Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateTrigger(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateMacro { .. }
            | Statement::CreateStage { .. }
            | Statement::CreateFileFormat { .. }
            | Statement::CreateWarehouse(_)
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. }
            | Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterView { .. }
            | Statement::AlterFunction(_)
            | Statement::AlterType(_)
            | Statement::AlterCollation(_)
            | Statement::AlterOperator(_)
            | Statement::AlterOperatorFamily(_)
            | Statement::AlterOperatorClass(_)
            | Statement::AlterTextSearch(_)
            | Statement::AlterConnector { .. }
            | Statement::DropFunction(_)
            | Statement::DropDomain(_)
            | Statement::DropProcedure { .. }
            | Statement::DropConnector { .. }
            | Statement::DropExtension(_)
            | Statement::DropOperator(_)
            | Statement::DropOperatorFamily(_)
            | Statement::DropOperatorClass(_)
            | Statement::DropTrigger(_)
            | Statement::Comment { .. }
            | Statement::RenameTable(_) => self.is_without_tables(&[Ddl]),
            Statement::CreateExtension(_) | Statement::Install { .. } | Statement::Load { .. } => {
                self.is_without_tables(&[Ddl, Execute]);
            }
            Statement::Grant(_)
            | Statement::Deny(_)
            | Statement::Revoke(_)
            | Statement::CreateRole(_)
            | Statement::AlterRole { .. }
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
            | Statement::CreatePolicy(_)
            | Statement::AlterPolicy(_)
            | Statement::DropPolicy(_)
            | Statement::CreateSecret { .. }
            | Statement::DropSecret { .. } => self.is_without_tables(&[Permissions]),
            Statement::Set(set) => match set {
                Set::SetRole { .. } | Set::SetSessionAuthorization(_) => {
                    self.is_without_tables(&[Permissions])
                }
                _ => self.is_without_tables(&[Write]),
            },
            Statement::AlterSession { .. }
            | Statement::Reset(_)
            | Statement::Discard { .. }
            | Statement::Analyze(_)
            | Statement::Vacuum(_)
            | Statement::OptimizeTable { .. }
            | Statement::Msck(_)
            | Statement::Cache { .. }
            | Statement::UNCache { .. }
            | Statement::Flush { .. }
            | Statement::Lock(_)
            | Statement::LockTables { .. }
            | Statement::UnlockTables
            | Statement::LISTEN { .. }
            | Statement::UNLISTEN { .. }
            | Statement::Put { .. } => self.is_without_tables(&[Write]),
            Statement::Remove(_) => self.is_without_tables(&[Delete]),
            Statement::NOTIFY { .. } | Statement::Kill { .. } => self.is_without_tables(&[Execute]),
            Statement::Call(function) => {
                self.is_without_tables(&[Execute]);
                let _ = function;
            }
            Statement::Execute { .. } | Statement::Prepare { .. } => self.is_without_tables(&[Execute]),
            Statement::AttachDatabase { .. }
            | Statement::AttachDuckDBDatabase { .. }
            | Statement::DetachDuckDBDatabase { .. } => self.is_without_tables(&[Execute]),
            Statement::StartTransaction { statements, exception, .. } => {
                // A block is a script, and its statements are looked at one by one as well.
                if !statements.is_empty() || exception.is_some() {
                    self.is_without_tables(&[Execute]);
                }
            }
            Statement::Explain { analyze, options, .. } => {
                if !analyze && options.iter().flatten().all(only_explains) {
                    self.explained += 1;
                }
            }
            // With another role the session may do other things.
            Statement::Use(Use::Role(_) | Use::SecondaryRoles(_)) => {
                self.is_without_tables(&[Permissions]);
            }
            // What later statements name is then something else.
            Statement::Use(
                Use::Catalog(_) | Use::Schema(_) | Use::Database(_) | Use::Object(_) | Use::Default,
            ) => {
                self.is_without_tables(&[Write]);
            }
            Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Deallocate { .. }
            | Statement::Close { .. }
            | Statement::ExplainTable { .. }
            | Statement::Use(Use::Warehouse(_))
            | Statement::List(_)
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCatalogs { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowProcessList { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowObjects(_)
            | Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCollation { .. } => {}
            // Scripts and what few dialects have: nobody has read what they do.
            Statement::Case(_) | Statement::If(_) | Statement::While(_) => {
                self.is_without_tables(&[Execute, Unknown]);
                self.doubt("it is a script");
            }
            _ => {
                self.complete = false;
                self.doubt("nobody has said what such a statement does");
            }
        }
    }

    /// Whether a table's name is where a file lies: ``text.`/etc/passwd` `` of Databricks, `'x.csv'` of DuckDB.
    fn is_path(&self, name: &Ident) -> bool {
        let path = self.dialect == Dialect::Databricks && name.value.contains(['/', ':']);
        path || self.dialect != Dialect::PartiQl && name.quote_style == Some('\'')
    }

    /// Something that is not done to tables, or to tables that are not all seen.
    fn is_without_tables(&mut self, classes: &[Class]) {
        self.is(classes);
        self.complete = false;
    }
}

impl Visitor for Look {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        if self.explained > 0 {
            // Planned and not run; the planner does call functions.
            self.explained -= 1;
            return ControlFlow::Continue(());
        }
        self.statement(statement);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if !query.locks.is_empty() {
            self.is(&[Class::Write]);
        }
        for setting in query.settings.iter().flatten() {
            match setting.key.value.to_ascii_lowercase().as_str() {
                // What is read of a queue is gone.
                "stream_like_engine_allow_direct_select" => self.is(&[Class::Write]),
                "dialect" => self.doubt("it asks for another dialect"),
                _ => {}
            }
        }
        for operator in &query.pipe_operators {
            if matches!(operator, PipeOperator::Call { .. }) {
                self.doubt("it calls a table function");
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            self.is(&[Class::Write, Class::Ddl]);
            self.complete = false;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        for part in &relation.0 {
            let part = match part {
                ObjectNamePart::Function(part) => part,
                ObjectNamePart::Identifier(name) => {
                    if self.is_path(name) {
                        self.complete = false;
                        self.doubt("it reads from a place, and not from a table");
                    }
                    continue;
                }
            };
            self.complete = false;
            // `IDENTIFIER('t')` names a table as well; which one, a variable may say.
            let names =
                self.dialect == Dialect::Snowflake && part.name.value.eq_ignore_ascii_case("identifier");
            if !names {
                self.doubt("it makes up the name of a table");
            }
        }
        self.table(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.table_function(name);
            }
            TableFactor::TableFunction { expr: Expr::Function(function), .. } => {
                self.table_function(&function.name);
            }
            TableFactor::TableFunction { .. } => {
                self.complete = false;
                self.doubt("it reads from something made up");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(Function { name, .. }) if !pure::is_table_function(name, self.dialect) => {
                self.function(name);
            }
            Expr::BinaryOp { op: BinaryOperator::Assignment, .. } => self.is(&[Class::Write]),
            Expr::BinaryOp {
                op: BinaryOperator::Custom(_) | BinaryOperator::PGCustomBinaryOperator(_),
                ..
            } => self.doubt("it uses an operator of somebody's own"),
            // `seq.NEXTVAL`: to read the next number is to use it up.
            Expr::CompoundIdentifier(parts)
                if self.dialect == Dialect::Snowflake
                    && parts.last().is_some_and(|last| last.value.eq_ignore_ascii_case("nextval")) =>
            {
                self.is(&[Class::Write]);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// An option with which `EXPLAIN` runs nothing: one that is known, or `ANALYZE` switched off.
fn only_explains(option: &UtilityOption) -> bool {
    let off =
        |arg: &Expr| matches!(arg.to_string().to_ascii_lowercase().trim_matches('\''), "false" | "off" | "0");
    let name = option.name.value.as_str();
    if doubt::analyzes(name) {
        return option.arg.as_ref().is_some_and(off);
    }
    EXPLAIN_OPTIONS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

const EXPLAIN_OPTIONS: &[&str] = &[
    "verbose",
    "costs",
    "settings",
    "generic_plan",
    "buffers",
    "wal",
    "timing",
    "summary",
    "memory",
    "serialize",
    "format",
    "type",
];
