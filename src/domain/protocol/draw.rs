//! A protocol as a picture: a Mermaid flowchart of its steps and of what leads from one to another. Decides nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::model::{Protocol, Step};

impl Protocol {
    /// The flowchart's text. Arrows carry the names of the rules that lead along them; `else` is the way on when the
    /// questions are spent, a dotted arrow a step that is passed unasked or an aside's one way out.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut picture = String::from("flowchart TD\n");
        for step in &self.steps {
            draw_step(&mut picture, step);
        }
        for step in &self.steps {
            draw_ways(&mut picture, step);
        }
        self.draw_asides(&mut picture);
        picture
    }

    fn draw_asides(&self, picture: &mut String) {
        if self.asides.is_empty() {
            return;
        }
        let names: Vec<&str> = self.asides.iter().map(|aside| aside.name.as_str()).collect();
        let names: Vec<String> = names.chunks(4).map(|row| row.join(", ")).collect();
        line(picture, &format!("asides[/\"at any step: {}\"/]", names.join("<br/>")));
        let mut exits: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (aside, then) in self.asides.iter().filter_map(|aside| Some((aside, aside.then.as_ref()?))) {
            exits.entry(&then.to).or_default().push(&aside.name);
        }
        for (to, names) in exits {
            line(picture, &format!("asides -. \"{} too often\" .-> {to}", names.join(", ")));
        }
    }
}

fn draw_step(picture: &mut String, step: &Step) {
    let decisions: Vec<&str> = step.parts.iter().map(|part| part.decision.as_str()).collect();
    let text = format!("<b>{}</b><br/>{}<br/>{}", step.name, step.substate, decisions.join(", "));
    let (open, close) = if step.end { ("([", "])") } else { ("[", "]") };
    line(picture, &format!("{}{open}\"{text}\"{close}", step.name));
}

fn draw_ways(picture: &mut String, step: &Step) {
    let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in &step.rules {
        ways.entry(&rule.to).or_default().push(&rule.name);
    }
    for (to, names) in ways {
        line(picture, &format!("{} -- \"{}\" --> {to}", step.name, names.join(", ")));
    }
    if let Some(spent) = &step.spent {
        line(picture, &format!("{} -- \"else\" --> {}", step.name, spent.to));
    }
    for pass in &step.passes {
        line(picture, &format!("{} -. \"passed\" .-> {}", step.name, pass.to));
    }
}

fn line(picture: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _written = writeln!(picture, "  {text}");
}

#[cfg(test)]
mod tests {
    use super::super::SHIPPED;
    use super::*;

    #[test]
    fn every_step_and_every_way_is_in_the_picture() {
        for source in SHIPPED {
            let protocol = Protocol::parse(source).expect("a shipped protocol");
            let picture = protocol.mermaid();
            for step in protocol.steps() {
                assert!(picture.contains(&format!("  {}", step.name)), "{}", step.name);
                for rule in &step.rules {
                    let way = |text: &str| {
                        text.starts_with(&format!("  {} -- ", step.name))
                            && text.contains(&rule.name)
                            && text.ends_with(&format!("--> {}", rule.to))
                    };
                    assert!(picture.lines().any(way), "{} {}", step.name, rule.name);
                }
            }
        }
    }
}
