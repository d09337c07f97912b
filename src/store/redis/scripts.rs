//! The scripts, one for each thing that has to happen at once. Each opens with its keys, arguments and replies.

use crate::redis::{Script, keys};

macro_rules! source {
    ($name:literal) => {
        include_str!(concat!("../../redis/scripts/", $name, ".lua"))
    };
}

pub(super) struct Scripts {
    pub gate: Script,
    pub claim: Script,
    pub withdraw: Script,
    pub abandon: Script,
    pub renew: Script,
    pub commit: Script,
    pub create: Script,
    pub rewrite: Script,
    pub raise: Script,
    pub clear: Script,
    pub lower: Script,
    pub extend: Script,
    pub read: Script,
    pub list: Script,
    pub delete: Script,
    pub sweep: Script,
    pub unpoint: Script,
    pub count: Script,
    pub report: Script,
    pub acknowledge: Script,
    pub page: Script,
    pub issue: Script,
    pub present: Script,
    pub revoke: Script,
    pub credentials: Script,
    pub attempt: Script,
    pub note: Script,
    pub own: Script,
    pub enter: Script,
    pub seal: Script,
    pub clinician: Script,
    pub lead: Script,
    pub notify: Script,
    pub notices: Script,
    pub chat: ChatScripts,
}

impl Scripts {
    /// `log` names the log of events for the scripts, as [`Keys::lua_log`](crate::redis::Keys::lua_log) has it.
    pub fn with(log: &str) -> Self {
        let (levels, seat, write, align) =
            (source!("levels"), source!("seat"), source!("write"), source!("align"));
        let (unlist, outbox, credited) = (source!("unlist"), source!("outbox"), source!("credited"));
        let (facts, alert, former) = (source!("facts"), source!("alert"), source!("former"));
        let names = keys::lua_names();
        // What the audit and subscribers are told in the step of a change.
        let told = [log, outbox, source!("events")].join("\n");
        let told = told.as_str();
        Self {
            gate: Script::of("gate", &[&names, levels, former, seat, facts, source!("gate")]),
            claim: Script::of("claim", &[&names, levels, former, seat, facts, source!("claim")]),
            withdraw: Script::of("withdraw", &[seat, source!("withdraw")]),
            abandon: Script::of("abandon", &[seat, source!("abandon")]),
            renew: Script::of("renew", &[source!("renew")]),
            commit: Script::of("commit", &[levels, seat, told, write, alert, source!("commit")]),
            create: Script::of("create", &[&names, levels, former, told, write, credited, source!("create")]),
            rewrite: Script::of("rewrite", &[levels, told, write, source!("rewrite")]),
            raise: Script::of(
                "raise",
                &[&names, levels, former, told, write, align, alert, source!("raise")],
            ),
            clear: Script::of(
                "clear",
                &[&names, levels, former, told, write, align, alert, source!("clear")],
            ),
            lower: Script::of(
                "lower",
                &[&names, levels, former, told, write, align, alert, source!("lower")],
            ),
            extend: Script::of("extend", &[levels, told, write, source!("extend")]),
            read: Script::of("read", &[levels, source!("read")]),
            list: Script::of("list", &[&names, levels, former, unlist, told, source!("list")]),
            delete: Script::of(
                "delete",
                &[&names, levels, seat, former, unlist, alert, credited, told, source!("delete")],
            ),
            count: Script::of("count", &[source!("count")]),
            unpoint: Script::of("unpoint", &[source!("unpoint")]),
            sweep: Script::of("sweep", &[&names, levels, former, unlist, alert, told, source!("sweep")]),
            page: Script::of("page", &[source!("page")]),
            issue: Script::of("issue", &[source!("issue")]),
            present: Script::of("present", &[source!("present")]),
            revoke: Script::of("revoke", &[source!("revoke")]),
            note: Script::of("note", &[source!("note")]),
            own: Script::of("own", &[source!("own")]),
            enter: Script::of("enter", &[outbox, source!("enter")]),
            seal: Script::of("seal", &[source!("seal")]),
            attempt: Script::of("attempt", &[source!("attempt")]),
            clinician: Script::of("clinician", &[credited, source!("clinician")]),
            lead: Script::of("lead", &[source!("lead")]),
            notify: Script::of("notify", &[alert, source!("notify")]),
            notices: Script::of("notices", &[alert, source!("notices")]),
            chat: ChatScripts::embedded(&names),
            credentials: Script::of("credentials", &[source!("credentials")]),
            report: Script::of("report", &[&names, levels, told, write, align, alert, source!("report")]),
            acknowledge: Script::of(
                "acknowledge",
                &[&names, levels, told, write, align, alert, source!("acknowledge")],
            ),
        }
    }
}

/// Those of plain chats.
pub(super) struct ChatScripts {
    pub say: Script,
    pub extend: Script,
    pub note: Script,
    pub read: Script,
    pub delete: Script,
    pub broadcast: Script,
}

impl ChatScripts {
    fn embedded(names: &str) -> Self {
        let chat = source!("chat");
        Self {
            say: Script::of("chat_say", &[chat, source!("chat_say")]),
            extend: Script::of("chat_extend", &[chat, source!("chat_extend")]),
            note: Script::of("chat_note", &[chat, source!("chat_note")]),
            read: Script::of("chat_read", &[chat, source!("chat_read")]),
            delete: Script::of("chat_delete", &[source!("chat_delete")]),
            broadcast: Script::of("chat_broadcast", &[names, source!("chat_broadcast")]),
        }
    }
}
