//! The grammar of what a GraphQL server executes, over the tokens of apollo-parser. The only place that sees that library.
//!
//! Its tree keeps each token in a node of its own, and building it takes longer than all else that is done with a
//! request. Rules ask for the root alone: what is further down is checked here, and not kept. That both read the same
//! is held by `tests/calls` and a fuzz target.
//!
//! Source: <https://spec.graphql.org/September2025/#sec-Language>

use crate::decode::{Json, Number};
use apollo_parser::{Lexer, Token, TokenKind, cst};

/// What stands on top of a document.
#[derive(Debug)]
pub(super) enum Definition<'t> {
    Operation(Operation<'t>),
    Fragment { name: &'t str, selections: Vec<Selection<'t>> },
}

#[derive(Debug)]
pub(super) struct Operation<'t> {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: &'static str,
    pub(super) name: Option<&'t str>,
    /// Default values of its variables.
    pub(super) defaults: Vec<(&'t str, Argument<'t>)>,
    pub(super) selections: Vec<Selection<'t>>,
}

#[derive(Debug)]
pub(super) enum Selection<'t> {
    Field(Field<'t>),
    /// The name of a fragment.
    Spread(&'t str),
    Inline(Vec<Self>),
}

#[derive(Debug, Clone)]
pub(super) struct Field<'t> {
    /// Its name in the schema, not its alias.
    pub(super) name: &'t str,
    pub(super) arguments: Vec<(&'t str, Argument<'t>)>,
}

/// A value with variables in it.
#[derive(Debug, Clone)]
pub(super) enum Argument<'t> {
    Is(Json),
    Variable(&'t str),
    List(Vec<Self>),
    Map(Vec<(&'t str, Self)>),
}

impl Argument<'_> {
    /// The values that it can have, given those of the variables: none where it is left out.
    pub(super) fn resolve(&self, variable: &mut dyn FnMut(&str) -> Vec<Json>) -> Vec<Json> {
        match self {
            Self::Is(value) => vec![value.clone()],
            Self::Variable(name) => variable(name),
            Self::List(items) => {
                vec![Json::List(items.iter().flat_map(|item| item.resolve(variable)).collect())]
            }
            Self::Map(entries) => {
                let mut members = Vec::new();
                for (name, value) in entries {
                    let values = value.resolve(variable).into_iter();
                    members.extend(values.map(|value| ((*name).to_owned(), value)));
                }
                vec![Json::Map(members)]
            }
        }
    }
}

/// Why there is no document.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// It is not in the grammar, or has too many tokens.
    Malformed,
    /// It defines a part of a schema.
    Schema,
}

/// The definitions of a document of `tokens_max` tokens at most, those without a meaning among them. It goes into
/// itself as deep as brackets do, which the caller has bounded.
pub(super) fn definitions(text: &str, tokens_max: usize) -> Result<Vec<Definition<'_>>, Fault> {
    let lexer = Lexer::new(text).with_limit(tokens_max);
    let mut reader = Reader { text, lexer, next: None, string_end: None };
    reader.bump()?;
    let mut definitions = Vec::new();
    while reader.next.is_some() {
        definitions.push(reader.definition()?);
    }
    Ok(definitions)
}

struct Reader<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// The next token that has a meaning; none at the end.
    next: Option<Token<'t>>,
    /// Where the last string ended.
    string_end: Option<usize>,
}

impl<'t> Reader<'t> {
    /// Goes on by one token, and returns the one that it leaves.
    fn bump(&mut self) -> Result<Option<Token<'t>>, Fault> {
        let following = loop {
            let Some(token) = self.lexer.next() else { break None };
            let token = token.map_err(|_| Fault::Malformed)?;
            match token.kind() {
                TokenKind::Comment if !self.is_one_comment(&token) => return Err(Fault::Malformed),
                TokenKind::StringValue if !self.is_one_string(&token) => return Err(Fault::Malformed),
                TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma => {}
                TokenKind::Eof => break None,
                _ => break Some(token),
            }
        };
        Ok(std::mem::replace(&mut self.next, following))
    }

    /// Whether all servers end the comment here.
    fn is_one_comment(&self, token: &Token<'t>) -> bool {
        let behind = self.text.get(token.index() + token.data().len()..).unwrap_or_default();
        // To graphql-ruby a comment goes on behind a CR.
        let cr = behind.starts_with('\r') && !behind.starts_with("\r\n");
        // Earlier drafts of the language ended a line at these, and graphql-java still ends a comment.
        !cr && !token.data().contains(LINE_ENDS)
    }

    /// Whether all servers see this one string here.
    fn is_one_string(&mut self, token: &Token<'t>) -> bool {
        let (start, text) = (token.index(), token.data());
        let adjoins = self.string_end.replace(start + text.len()) == Some(start);
        !(adjoins || text.starts_with("\"\"\"") && may_end_elsewhere(text))
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.next.as_ref().is_some_and(|token| token.kind() == kind)
    }

    fn at_word(&self, word: &str) -> bool {
        self.at(TokenKind::Name) && self.next.as_ref().is_some_and(|token| token.data() == word)
    }

    /// Goes on if the next token is of this kind.
    fn eat(&mut self, kind: TokenKind) -> Result<bool, Fault> {
        let is = self.at(kind);
        if is {
            self.bump()?;
        }
        Ok(is)
    }

    /// The text of the next token, which has to be of this kind.
    fn expect(&mut self, kind: TokenKind) -> Result<&'t str, Fault> {
        match self.bump()? {
            Some(token) if token.kind() == kind => Ok(token.data()),
            _ => Err(Fault::Malformed),
        }
    }

    fn name(&mut self) -> Result<&'t str, Fault> {
        self.expect(TokenKind::Name)
    }

    fn definition(&mut self) -> Result<Definition<'t>, Fault> {
        let word = match &self.next {
            Some(token) if token.kind() == TokenKind::Name => token.data(),
            _ => "",
        };
        let kind = match word {
            "query" => "query",
            "mutation" => "mutation",
            "subscription" => "subscription",
            "" => {
                let selections = self.selections(true)?;
                return Ok(Definition::Operation(Operation {
                    kind: "query",
                    name: None,
                    defaults: Vec::new(),
                    selections,
                }));
            }
            "fragment" => return self.fragment(),
            _ if SCHEMA.contains(&word) => return Err(Fault::Schema),
            _ => return Err(Fault::Malformed),
        };
        self.bump()?;
        let name = if self.at(TokenKind::Name) { Some(self.name()?) } else { None };
        let defaults = self.variables()?;
        self.directives(false)?;
        Ok(Definition::Operation(Operation { kind, name, defaults, selections: self.selections(true)? }))
    }

    fn fragment(&mut self) -> Result<Definition<'t>, Fault> {
        self.bump()?;
        let name = self.name()?;
        if name == "on" || self.name()? != "on" {
            return Err(Fault::Malformed);
        }
        self.name()?;
        self.directives(false)?;
        Ok(Definition::Fragment { name, selections: self.selections(true)? })
    }

    /// The variables of an operation: those that have a default value, with it.
    fn variables(&mut self) -> Result<Vec<(&'t str, Argument<'t>)>, Fault> {
        let mut defaults = Vec::new();
        if !self.eat(TokenKind::LParen)? {
            return Ok(defaults);
        }
        loop {
            self.expect(TokenKind::Dollar)?;
            let name = self.name()?;
            self.expect(TokenKind::Colon)?;
            self.kind_of_value()?;
            if self.eat(TokenKind::Eq)? {
                defaults.push((name, self.value(true)?));
            }
            self.directives(true)?;
            if self.eat(TokenKind::RParen)? {
                return Ok(defaults);
            }
        }
    }

    fn kind_of_value(&mut self) -> Result<(), Fault> {
        if self.eat(TokenKind::LBracket)? {
            self.kind_of_value()?;
            self.expect(TokenKind::RBracket)?;
        } else {
            self.name()?;
        }
        self.eat(TokenKind::Bang).map(|_| ())
    }

    fn directives(&mut self, constant: bool) -> Result<(), Fault> {
        while self.eat(TokenKind::At)? {
            self.name()?;
            self.arguments(constant)?;
        }
        Ok(())
    }

    fn arguments(&mut self, constant: bool) -> Result<Vec<(&'t str, Argument<'t>)>, Fault> {
        let mut arguments = Vec::new();
        if self.eat(TokenKind::LParen)? {
            while arguments.is_empty() || !self.eat(TokenKind::RParen)? {
                arguments.push(self.named_value(constant)?);
            }
        }
        Ok(arguments)
    }

    fn named_value(&mut self, constant: bool) -> Result<(&'t str, Argument<'t>), Fault> {
        let name = self.name()?;
        self.expect(TokenKind::Colon)?;
        Ok((name, self.value(constant)?))
    }

    /// With `constant` there is no variable in it.
    fn value(&mut self, constant: bool) -> Result<Argument<'t>, Fault> {
        let token = self.bump()?.ok_or(Fault::Malformed)?;
        let text = token.data();
        Ok(match token.kind() {
            TokenKind::Dollar if !constant => Argument::Variable(self.name()?),
            TokenKind::StringValue => Argument::Is(Json::Text(unquoted(text)?)),
            TokenKind::Int | TokenKind::Float => Argument::Is(number(text)?),
            TokenKind::Name => Argument::Is(match text {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                "null" => Json::Null,
                word => Json::Text(word.to_owned()),
            }),
            TokenKind::LBracket => {
                let mut items = Vec::new();
                while !self.eat(TokenKind::RBracket)? {
                    if self.next.as_ref().is_some_and(|item| may_be_two_texts(item.data())) {
                        return Err(Fault::Malformed);
                    }
                    items.push(self.value(constant)?);
                }
                Argument::List(items)
            }
            TokenKind::LCurly => {
                let mut members = Vec::new();
                while !self.eat(TokenKind::RCurly)? {
                    members.push(self.named_value(constant)?);
                }
                Argument::Map(members)
            }
            _ => return Err(Fault::Malformed),
        })
    }

    /// What is between braces; without `keep` it is only checked.
    fn selections(&mut self, keep: bool) -> Result<Vec<Selection<'t>>, Fault> {
        self.expect(TokenKind::LCurly)?;
        let mut selections = Vec::new();
        loop {
            let selection = if self.eat(TokenKind::Spread)? {
                self.spread(keep)?
            } else {
                Selection::Field(self.field()?)
            };
            if keep {
                selections.push(selection);
            }
            if self.eat(TokenKind::RCurly)? {
                return Ok(selections);
            }
        }
    }

    /// What follows three dots.
    fn spread(&mut self, keep: bool) -> Result<Selection<'t>, Fault> {
        if self.at(TokenKind::Name) && !self.at_word("on") {
            let name = self.name()?;
            self.directives(false)?;
            return Ok(Selection::Spread(name));
        }
        if self.at_word("on") {
            self.bump()?;
            self.name()?;
        }
        self.directives(false)?;
        Ok(Selection::Inline(self.selections(keep)?))
    }

    fn field(&mut self) -> Result<Field<'t>, Fault> {
        let mut name = self.name()?;
        if self.eat(TokenKind::Colon)? {
            name = self.name()?;
        }
        let arguments = self.arguments(false)?;
        self.directives(false)?;
        if self.at(TokenKind::LCurly) {
            self.selections(false)?;
        }
        Ok(Field { name, arguments })
    }
}

/// Whether some lexer in use finds the end of a string in three quotes somewhere else: they differ on what escapes a
/// quote, and on which three of four quotes are the end (graphql-ruby and its lexer in C).
fn may_end_elsewhere(token: &str) -> bool {
    let is_empty = token == "\"\"\"\"\"\"";
    !is_empty && ["\\\"", "\"\\", "\"\"\"\""].iter().any(|mark| token.contains(mark))
}

/// Whether a server from before strings in three quotes (June 2018) would see the end of a text within this one, and
/// other tokens behind it. Only in a list can a text follow a text.
fn may_be_two_texts(token: &str) -> bool {
    token
        .strip_prefix("\"\"\"")
        .and_then(|rest| rest.strip_suffix("\"\"\""))
        .is_some_and(|inner| inner.contains('"'))
}

/// The text that a string stands for. Those with escapes and those in three quotes are left to the library.
fn unquoted(token: &str) -> Result<String, Fault> {
    let inner = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(plain) = inner.filter(|inner| !inner.contains(['\\', '"'])) {
        return Ok(plain.to_owned());
    }
    let field = apollo_parser::Parser::new(&format!("{{a(a:{token})}}")).parse();
    let definition = field.document().definitions().next();
    let Some(cst::Definition::OperationDefinition(operation)) = definition else {
        return Err(Fault::Malformed);
    };
    let selection = operation.selection_set().and_then(|set| set.selections().next());
    let Some(cst::Selection::Field(field)) = selection else { return Err(Fault::Malformed) };
    match field.arguments().and_then(|given| given.arguments().next()).and_then(|given| given.value()) {
        Some(cst::Value::StringValue(text)) => Ok(String::from(text)),
        _ => Err(Fault::Malformed),
    }
}

fn number(text: &str) -> Result<Json, Fault> {
    let float = || text.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Float);
    let whole = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed)).ok();
    whole.or_else(float).map(Json::Number).ok_or(Fault::Malformed)
}

/// What some take for the end of a line, besides those in the grammar.
const LINE_ENDS: [char; 5] = ['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
/// What a definition of a schema begins with.
const SCHEMA: [&str; 9] =
    ["directive", "enum", "extend", "input", "interface", "scalar", "schema", "type", "union"];
