//! Reads Rust sources as far as the house rules need it: tokens without comments and strings, the paths that code names,
//! and which of it is test code. No parser: what it can't tell apart is listed at [`Source::paths`].

/// A piece of source that is neither comment nor white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word: identifier or keyword; `r#type` is `type`.
    Word(String),
    /// `::`
    Sep,
    /// Any other single character.
    Mark(char),
    /// A string, character or number.
    Literal,
}

/// A path as it is written, groups spread out: `use a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub line: usize,
    /// `crate`, `self` and `super` are kept; `*` ends a glob.
    pub segments: Vec<String>,
    /// The modules that are opened around it in the same file.
    pub inside: Vec<String>,
    /// Whether it stands in an item under `#[cfg(test)]`.
    pub test: bool,
}

/// The tokens of a file, each with its line (from 1) and whether it is under `#[cfg(test)]`.
pub struct Source {
    tokens: Vec<(usize, Token)>,
    test: Vec<bool>,
}

impl Source {
    pub fn read(code: &str) -> Self {
        let tokens = Lexer { rest: code, line: 1 }.tokens();
        let test = test_code(&tokens);
        Self { tokens, test }
    }

    /// Lines on which test code stands.
    pub fn test_lines(&self) -> usize {
        let mut lines = 0;
        let mut open: Option<usize> = None;
        for (index, (line, _)) in self.tokens.iter().enumerate() {
            match (self.test[index], open) {
                (true, None) => open = Some(*line),
                (false, Some(first)) => {
                    lines += line.saturating_sub(first);
                    open = None;
                }
                _ => {}
            }
        }
        match (open, self.tokens.last()) {
            (Some(first), Some((last, _))) => lines + last + 1 - first,
            _ => lines,
        }
    }

    /// Every place where these tokens stand in a row outside of test code (or anywhere).
    pub fn find(&self, wanted: &[Token], in_tests: bool) -> Vec<usize> {
        let windows = self.tokens.windows(wanted.len()).enumerate();
        windows
            .filter(|(index, window)| {
                (in_tests || !self.test[*index]) && window.iter().map(|(_, token)| token).eq(wanted)
            })
            .map(|(_, window)| window[0].0)
            .collect()
    }

    /// Arms of a `match` that take whatever no other arm takes, and `matches!`, whose silence answers for all others: their lines.
    pub fn catch_alls(&self) -> Vec<usize> {
        let begins = |token: &Token| matches!(token, Token::Mark('{' | '}' | ','));
        let binds = |token: &Token| matches!(token, Token::Word(word) if !word.starts_with(char::is_uppercase));
        let tokens: Vec<&Token> = self.tokens.iter().map(|(_, token)| token).collect();
        let takes_all = |index: usize| match &tokens[index..] {
            [before, arm, Token::Mark('='), Token::Mark('>'), ..] => begins(before) && binds(arm),
            [before, arm, Token::Word(guard), ..] => begins(before) && **arm == word("_") && guard == "if",
            _ => false,
        };
        let arms = (0..tokens.len()).filter(|index| !self.test[*index] && takes_all(*index));
        let mut lines: Vec<usize> = arms.map(|index| self.tokens[index + 1].0).collect();
        lines.extend(self.find(&[word("matches"), Token::Mark('!')], false));
        lines
    }

    /// Where variants of an enum are matched on, as far as that can be told from an expression that makes one, and where its name is
    /// hidden: by another name, or in methods.
    pub fn matches_on(&self, name: &str) -> Vec<usize> {
        let hidden = [[word("impl"), word(name)], [word(name), word("as")]];
        let mut lines: Vec<usize> = hidden.iter().flat_map(|tokens| self.find(tokens, false)).collect();
        for (index, (line, token)) in self.tokens.iter().enumerate() {
            let is_variant = *token == word(name) && self.at(index + 1) == Some(&Token::Sep) && !self.test[index];
            if is_variant && self.is_pattern(index + 3) {
                lines.push(*line);
            }
        }
        lines
    }

    /// Whether a variant is matched on: its fields, which may begin here, end with `..`, or an arm or another pattern follows.
    fn is_pattern(&self, fields: usize) -> bool {
        let mut end = fields;
        if self.at(fields) == Some(&Token::Mark('{')) {
            let mut depth = 0_usize;
            while let Some(token) = self.at(end) {
                depth += usize::from(*token == Token::Mark('{'));
                depth -= usize::from(*token == Token::Mark('}'));
                end += 1;
                if depth == 0 {
                    break;
                }
            }
            if end.checked_sub(2).and_then(|last| self.at(last)) == Some(&Token::Mark('.')) {
                return true;
            }
        }
        match (self.at(end), self.at(end + 1)) {
            (Some(Token::Mark('=')), next) => next != Some(&Token::Mark('=')),
            (Some(Token::Mark('|')), _) => true,
            (Some(Token::Word(guard)), _) => guard == "if",
            _ => false,
        }
    }

    /// The paths of more than one segment, and what a `use` or `extern crate` names alone.
    ///
    /// Not seen: paths in strings (`#[serde(with = "…")]`) and in doc comments, and what a macro puts together.
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        let mut modules: Vec<(String, usize)> = Vec::new();
        let (mut depth, mut index) = (0, 0);
        while let Some((_, token)) = self.tokens.get(index) {
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => {
                    depth -= 1;
                    modules.retain(|(_, opened)| *opened <= depth);
                }
                Token::Word(word) if word == "mod" => {
                    if let (Some(Token::Word(name)), Some(Token::Mark('{'))) = (self.at(index + 1), self.at(index + 2))
                    {
                        modules.push((name.clone(), depth + 1));
                    }
                }
                Token::Word(_) if self.begins_path(index) => {
                    let alone = index.checked_sub(1).is_some_and(|before| self.is_import(before));
                    let from = found.len();
                    index = self.tree(index, &[], &mut found);
                    for path in &mut found[from..] {
                        path.inside = modules.iter().map(|(name, _)| name.clone()).collect();
                    }
                    if !alone && found.len() == from + 1 && found[from].segments.len() == 1 {
                        found.pop();
                    }
                    continue;
                }
                _ => {}
            }
            index += 1;
        }
        found
    }

    fn at(&self, index: usize) -> Option<&Token> {
        self.tokens.get(index).map(|(_, token)| token)
    }

    fn is_import(&self, index: usize) -> bool {
        // `use ::kube` begins with a separator.
        let index = if self.at(index) == Some(&Token::Sep) { index.saturating_sub(1) } else { index };
        matches!(self.at(index), Some(Token::Word(word)) if word == "use")
            || matches!((index.checked_sub(1).and_then(|before| self.at(before)), self.at(index)),
                (Some(Token::Word(first)), Some(Token::Word(second))) if first == "extern" && second == "crate")
    }

    /// A word begins a path unless it goes on with one: after `::` (save a leading one) or as a field or method.
    fn begins_path(&self, index: usize) -> bool {
        let before = |back: usize| index.checked_sub(back).and_then(|at| self.at(at));
        if self.at(index).is_some_and(is_keyword) {
            return false;
        }
        match before(1) {
            Some(Token::Sep) => before(2).is_none_or(|token| match token {
                Token::Word(_) => is_keyword(token),
                other => *other != Token::Mark('>'),
            }),
            // `..crate::x` is a range or the rest of a struct, not a field.
            Some(Token::Mark('.')) => before(2) == Some(&Token::Mark('.')),
            _ => true,
        }
    }

    /// Reads the path, or group of paths, that begins at a token; returns the index after it.
    fn tree(&self, mut index: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
        let mut segments = prefix.to_vec();
        let start = index;
        loop {
            match self.at(index) {
                Some(Token::Word(word)) => segments.push(word.clone()),
                Some(Token::Mark('*')) => segments.push("*".to_owned()),
                Some(Token::Mark('{')) => {
                    index += 1;
                    while let Some(token) = self.at(index) {
                        match token {
                            Token::Mark('}') => return index + 1,
                            Token::Mark(',') => index += 1,
                            _ => index = self.tree(index, &segments, found).max(index + 1),
                        }
                    }
                    return index;
                }
                _ => break,
            }
            index += 1;
            if self.at(index) != Some(&Token::Sep) {
                break;
            }
            index += 1;
        }
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        if let Some((line, _)) = self.tokens.get(start) {
            found.push(Path { line: *line, segments, inside: Vec::new(), test: self.test[start] });
        }
        // `as name` would otherwise begin a path of its own.
        if matches!(self.at(index), Some(Token::Word(word)) if word == "as") && !prefix.is_empty() {
            index += 2;
        }
        index
    }
}

/// Marks each item that follows a `#[cfg(test)]`: up to its `;`, or to the end of its first block.
fn test_code(tokens: &[(usize, Token)]) -> Vec<bool> {
    let attribute = [
        Token::Mark('#'),
        Token::Mark('['),
        word("cfg"),
        Token::Mark('('),
        word("test"),
        Token::Mark(')'),
        Token::Mark(']'),
    ];
    let mut test = vec![false; tokens.len()];
    let mut index = 0;
    while index < tokens.len() {
        let rest = &tokens[index..];
        if rest.len() < attribute.len() || !rest.iter().map(|(_, token)| token).zip(&attribute).all(|(a, b)| a == b) {
            index += 1;
            continue;
        }
        let mut depth = 0_usize;
        let mut end = index + attribute.len();
        while let Some((_, token)) = tokens.get(end) {
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            end += 1;
            if depth == 0 && matches!(token, Token::Mark(';' | '}')) {
                break;
            }
        }
        test[index..end].fill(true);
        index = end;
    }
    test
}

/// Words that stand before a path and are no part of one.
fn is_keyword(token: &Token) -> bool {
    const KEYWORDS: &[&str] = &[
        "as", "break", "const", "dyn", "else", "enum", "extern", "fn", "for", "if", "impl", "in", "let", "match",
        "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "type", "use", "where", "while",
    ];
    matches!(token, Token::Word(word) if KEYWORDS.contains(&word.as_str()))
}

pub fn word(text: &str) -> Token {
    Token::Word(text.to_owned())
}

struct Lexer<'t> {
    rest: &'t str,
    line: usize,
}

impl Lexer<'_> {
    fn tokens(mut self) -> Vec<(usize, Token)> {
        let mut tokens = Vec::new();
        while let Some(first) = self.rest.chars().next() {
            let line = self.line;
            if first.is_whitespace() {
                self.skip(first.len_utf8());
            } else if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.comment();
            } else if let Some(length) = self.text() {
                self.skip(length);
                tokens.push((line, Token::Literal));
            } else if first == '\'' {
                // A lifetime: characters were read as text.
                self.skip(1 + word_length(&self.rest[1..]));
            } else if first.is_ascii_digit() {
                self.skip(word_length(self.rest));
                tokens.push((line, Token::Literal));
            } else if first == '_' || first.is_alphabetic() {
                if self.rest.starts_with("r#") {
                    self.skip(2);
                }
                let length = word_length(self.rest);
                tokens.push((line, word(&self.rest[..length])));
                self.skip(length);
            } else if self.rest.starts_with("::") {
                self.skip(2);
                tokens.push((line, Token::Sep));
            } else {
                self.skip(first.len_utf8());
                tokens.push((line, Token::Mark(first)));
            }
        }
        tokens
    }

    fn skip(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }

    /// Block comments nest.
    fn comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if let Some(next) = self.rest.chars().next() {
                self.skip(next.len_utf8());
            }
            if depth == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    /// The length of the string or character here, with its prefix (`b`, `c`, `r` and hashes).
    fn text(&self) -> Option<usize> {
        let prefix = self.rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
        let body = &self.rest[prefix..];
        if self.rest[..prefix].ends_with('r') {
            let hashes = body.find(|c| c != '#')?;
            body[hashes..].strip_prefix('"')?;
            let close = format!("\"{}", "#".repeat(hashes));
            let inner = body[hashes + 1..].find(&close)?;
            return Some(prefix + hashes + 1 + inner + close.len());
        }
        let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut inner = body.char_indices().skip(1);
        if quote == '\'' {
            // `'a'` and `'\n'` are characters, `'a` alone is a lifetime.
            let second = inner.next()?.1;
            if second != '\\' {
                let (at, third) = inner.next()?;
                return (third == '\'').then_some(prefix + at + 1);
            }
            inner.next();
        }
        let mut escaped = false;
        for (at, c) in inner {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                return Some(prefix + at + 1);
            }
        }
        Some(self.rest.len())
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::{Source, Token, word};

    fn paths(text: &str) -> Vec<String> {
        Source::read(text).paths().iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn groups_are_spread_out() {
        let text = "use crate::{a::{self, b::C}, d as e, f::*};\nuse super::super::g;";
        assert_eq!(paths(text), ["crate::a", "crate::a::b::C", "crate::d", "crate::f::*", "super::super::g"]);
    }

    #[test]
    fn a_crate_that_is_imported_whole_is_a_path() {
        assert_eq!(paths("use kube; use ::kube as k; extern crate kube; kube(); x.kube;"), ["kube", "kube", "kube"]);
    }

    #[test]
    fn paths_in_code_are_found_and_continuations_are_not() {
        let text =
            "fn f(x: &crate::a::B) -> Vec<::kube::C> { x.g::<crate::d::E>(Self::H)..super::i::J; Q::<u8>::new() }";
        assert_eq!(paths(text), ["crate::a::B", "kube::C", "crate::d::E", "Self::H", "super::i::J"]);
    }

    #[test]
    fn comments_and_strings_hold_no_paths() {
        let text = r##"
            // crate::a::A
            /* crate::b::B /* nested */ crate::c::C */
            /// [`crate::d::D`]
            let s = ("crate::e::E \" crate::f", r#"crate::g::G " "#, b"crate::h", '"', '\'', b'"');
            fn lifetime<'a>(x: &'a crate::i::I) {}
        "##;
        assert_eq!(paths(text), ["crate::i::I"]);
    }

    #[test]
    fn modules_that_are_opened_in_the_file_are_known() {
        let source = Source::read("mod a { mod b { use super::c; } use super::d; } use self::e;");
        let inside: Vec<String> = source.paths().iter().map(|path| path.inside.join("::")).collect();
        assert_eq!(inside, ["a::b", "a", ""]);
    }

    #[test]
    fn test_code_is_told_apart_and_its_lines_counted() {
        let text =
            "use kube::a;\n#[cfg(test)]\nmod tests {\n    use kube::b;\n}\n#[cfg(test)]\nuse kube::c;\nuse kube::d;\n";
        let source = Source::read(text);
        assert_eq!(source.paths().iter().map(|path| path.test).collect::<Vec<_>>(), [false, true, true, false]);
        assert_eq!(source.test_lines(), 6);
        assert_eq!(Source::read("#[cfg(test)]\nmod tests {\n}\n").test_lines(), 3);
    }

    #[test]
    fn tokens_in_a_row_are_found_by_line() {
        let source = Source::read("// todo!()\nlet s = \"todo!()\";\ntodo!();\n#[cfg(test)]\nfn f() { todo!() }");
        assert_eq!(source.find(&[word("todo"), Token::Mark('!')], false), [3]);
        assert_eq!(source.find(&[word("todo"), Token::Mark('!')], true), [3, 5]);
    }
}
