-- Every trigger, by table, in the order in which it fires: by name within BEFORE and AFTER.

-- settings

drop trigger if exists _100_check_value on public.settings;
create trigger _100_check_value before insert or update on public.settings
  for each row execute function private.tg_settings__check_value();

drop trigger if exists _500_limit_files on public.settings;
create trigger _500_limit_files after insert or update on public.settings
  for each row
  when (new.name = 'file_size_limit')
  execute function private.tg_settings__limit_files();

drop trigger if exists _900_audit on public.settings;
create trigger _900_audit after update on public.settings
  for each row execute function private.tg_settings__audit();

-- widget_settings

drop trigger if exists _100_check on public.widget_settings;
create trigger _100_check before insert or update on public.widget_settings
  for each row execute function private.tg_widget_settings__check();

drop trigger if exists _900_audit on public.widget_settings;
create trigger _900_audit after update on public.widget_settings
  for each row execute function private.tg_widget_settings__audit();

-- fictional_users

drop trigger if exists _950_audit on public.fictional_users;
create trigger _950_audit after insert or update or delete on public.fictional_users
  for each row execute function private.tg_fictional_users__audit();

-- private.operator_invitations

drop trigger if exists _950_audit on private.operator_invitations;
create trigger _950_audit after insert or update on private.operator_invitations
  for each row execute function private.tg_operator_invitations__audit();

-- operators

drop trigger if exists _100_make_hands on public.operators;
create trigger _100_make_hands after insert on public.operators
  for each row execute function private.tg_operators__make_hands();

drop trigger if exists _100_follow on public.operators;
create trigger _100_follow after update on public.operators
  referencing old table as old_rows new table as new_rows
  for each statement execute function private.tg_operators__follow();

drop trigger if exists _900_note_deleted on public.operators;
create trigger _900_note_deleted after delete on public.operators
  for each row execute function private.tg_note_deleted_person();

drop trigger if exists _950_audit on public.operators;
create trigger _950_audit after insert or delete or update of role, capacity, is_active on public.operators
  for each row execute function private.tg_operators__audit();

-- real_users

drop trigger if exists _100_refuse_erased on public.real_users;
create trigger _100_refuse_erased after insert on public.real_users
  for each row execute function private.tg_real_users__refuse_erased();

drop trigger if exists _500_note_lists on public.real_users;
create trigger _500_note_lists after update of name, email on public.real_users
  for each row
  when ((old.name, old.email) is distinct from (new.name, new.email))
  execute function private.tg_real_users__note_lists();

drop trigger if exists _900_note_deleted on public.real_users;
create trigger _900_note_deleted after delete on public.real_users
  for each row execute function private.tg_note_deleted_person();

-- chats: check and derive, then hold, history and hands, and at commit automatic assignment.
-- Columns are named where a WHEN could stand too: it would be parsed anew by every statement, these
-- tables' busiest ones included.

drop trigger if exists _100_derive_insert on public.chats;
create trigger _100_derive_insert before insert on public.chats
  for each row execute function private.tg_chats__derive_insert();

drop trigger if exists _050_guard_derived on public.chats;
create trigger _050_guard_derived
  before update of last_seq, replied_seq, owed_since, let_go_by, event_seq, customer_event_seq on public.chats
  for each row execute function private.tg_chats__guard_derived();

drop trigger if exists _100_derive_update on public.chats;
create trigger _100_derive_update before update of chat_state, assigned_operator_id on public.chats
  for each row execute function private.tg_chats__derive_update();

drop trigger if exists _200_follow on public.chats;
create trigger _200_follow after insert or update of chat_state, assigned_operator_id on public.chats
  for each row execute function private.tg_chats__follow();

drop trigger if exists _300_note_update on public.chats;
create trigger _300_note_update
  after update of priority, handling, headline, context, fictional_user_id, waiting_since, ip_address,
    created_at, real_user_id, last_operator_id on public.chats
  for each row execute function private.tg_chats__note_update();

drop trigger if exists _500_follow_load_insert on public.chats;
create trigger _500_follow_load_insert after insert on public.chats
  referencing new table as new_rows
  for each statement execute function private.tg_chats__follow_load_insert();

drop trigger if exists _500_follow_load_update on public.chats;
create trigger _500_follow_load_update after update on public.chats
  referencing old table as old_rows new table as new_rows
  for each statement execute function private.tg_chats__follow_load_update();

drop trigger if exists _500_follow_load_delete on public.chats;
create trigger _500_follow_load_delete after delete on public.chats
  referencing old table as old_rows
  for each statement execute function private.tg_chats__follow_load_delete();

drop trigger if exists _600_forget on public.chats;
create trigger _600_forget after delete on public.chats
  referencing old table as old_rows
  for each statement execute function private.tg_chats__forget();

drop trigger if exists _650_remove_files on public.chats;
create trigger _650_remove_files after delete on public.chats
  referencing old table as old_rows
  for each statement execute function private.tg_chats__remove_files();

drop trigger if exists _900_refuse_truncate on public.chats;
create trigger _900_refuse_truncate before truncate on public.chats
  for each statement execute function private.tg_refuse_truncate();

drop trigger if exists _950_dispatch on public.chats;
create constraint trigger _950_dispatch after insert or update on public.chats
  deferrable initially deferred
  for each row
  when (new.chat_state = 'waiting_assignment')
  execute function private.tg_chats__dispatch();

-- messages

drop trigger if exists _100_prepare on public.messages;
create trigger _100_prepare before insert on public.messages
  for each row execute function private.tg_messages__prepare();

drop trigger if exists _100_revise on public.messages;
create trigger _100_revise before update of chat_id, seq, sender_type, sender_id, content, metadata, attachments, deleted_at on public.messages
  for each row execute function private.tg_messages__revise();

drop trigger if exists _100_refuse_delete on public.messages;
create trigger _100_refuse_delete before delete on public.messages
  for each row execute function private.tg_messages__refuse_delete();

drop trigger if exists _100_refuse_truncate on public.messages;
create trigger _100_refuse_truncate before truncate on public.messages
  for each statement execute function private.tg_refuse_truncate();

drop trigger if exists _200_apply on public.messages;
create trigger _200_apply after insert on public.messages
  for each row execute function private.tg_messages__apply();

drop trigger if exists _300_forgive on public.messages;
create trigger _300_forgive after update of deleted_at on public.messages
  for each row
  when (old.deleted_at is null and new.deleted_at is not null and new.sender_type = 'real')
  execute function private.tg_messages__forgive();

drop trigger if exists _350_remove_files on public.messages;
create trigger _350_remove_files after update of deleted_at on public.messages
  for each row
  when (old.attachments <> '[]' and new.attachments = '[]')
  execute function private.tg_messages__remove_files();

drop trigger if exists _400_note_revision on public.messages;
create trigger _400_note_revision after update of content, deleted_at, metadata on public.messages
  for each row execute function private.tg_messages__note_revision();

-- read_marks

drop trigger if exists _200_note_read on public.read_marks;
create trigger _200_note_read after insert or update of seq on public.read_marks
  for each row
  when (new.seq > 0)
  execute function private.tg_read_marks__note_read();

-- chat_notes

drop trigger if exists _100_prepare on public.chat_notes;
create trigger _100_prepare before insert on public.chat_notes
  for each row execute function private.tg_chat_notes__prepare();

drop trigger if exists _100_revise on public.chat_notes;
create trigger _100_revise before update on public.chat_notes
  for each row execute function private.tg_chat_notes__revise();

drop trigger if exists _100_refuse_delete on public.chat_notes;
create trigger _100_refuse_delete before delete on public.chat_notes
  for each row execute function private.tg_chat_notes__refuse_delete();

drop trigger if exists _200_mention on public.chat_notes;
create trigger _200_mention after insert or update of mentions, deleted_at on public.chat_notes
  for each row execute function private.tg_chat_notes__mention();

drop trigger if exists _300_tell on public.chat_notes;
create trigger _300_tell after insert or update of content, mentions, deleted_at on public.chat_notes
  for each row execute function private.tg_chat_notes__tell();

-- quick_responses

drop trigger if exists _100_check on public.quick_responses;
create trigger _100_check before insert or update on public.quick_responses
  for each row execute function private.tg_quick_responses__check();

drop trigger if exists _900_audit on public.quick_responses;
create trigger _900_audit after insert or update or delete on public.quick_responses
  for each row execute function private.tg_quick_responses__audit();

-- chat_ratings

drop trigger if exists _200_note_rating on public.chat_ratings;
create trigger _200_note_rating after insert or update on public.chat_ratings
  for each row execute function private.tg_chat_ratings__note_rating();

-- tickets

drop trigger if exists _100_derive on public.tickets;
create trigger _100_derive before insert or update on public.tickets
  for each row execute function private.tg_tickets__derive();

drop trigger if exists _200_note on public.tickets;
create trigger _200_note after insert or delete or update of status, priority on public.tickets
  for each row execute function private.tg_tickets__note();

drop trigger if exists _100_prepare on public.ticket_messages;
create trigger _100_prepare before insert on public.ticket_messages
  for each row execute function private.tg_ticket_messages__prepare();

-- chat_assignments

drop trigger if exists _100_guard on public.chat_assignments;
create trigger _100_guard before insert or update or delete on public.chat_assignments
  for each row
  when (pg_trigger_depth() = 0)
  execute function private.tg_refuse_direct_write();

drop trigger if exists _100_refuse_truncate on public.chat_assignments;
create trigger _100_refuse_truncate before truncate on public.chat_assignments
  for each statement execute function private.tg_refuse_truncate();

drop trigger if exists _900_match_holder on public.chat_assignments;
create constraint trigger _900_match_holder after insert or update on public.chat_assignments
  deferrable initially deferred
  for each row
  when (new.released_at is null)
  execute function private.tg_chat_assignments__match_holder();

-- chat_history: only ever added to, by the triggers on chats

drop trigger if exists _100_guard on public.chat_history;
create trigger _100_guard before insert or delete on public.chat_history
  for each row
  when (pg_trigger_depth() = 0)
  execute function private.tg_refuse_direct_write();

drop trigger if exists _100_refuse_update on public.chat_history;
create trigger _100_refuse_update before update on public.chat_history
  for each row execute function private.tg_refuse_rewrite();

drop trigger if exists _100_refuse_truncate on public.chat_history;
create trigger _100_refuse_truncate before truncate on public.chat_history
  for each statement execute function private.tg_refuse_truncate();

-- private.operator_load: at commit, an operator with auto_assign who has a hand free gets a chat

drop trigger if exists _950_dispatch on private.operator_load;
create constraint trigger _950_dispatch after insert or update on private.operator_load
  deferrable initially deferred
  for each row
  when (new.is_auto and new.held < new.capacity)
  execute function private.tg_operator_load__dispatch();

-- private.events: whoever writes one wakes the relays that sleep

drop trigger if exists _500_ring on private.events;
create trigger _500_ring after insert on private.events
  for each statement execute function private.tg_events__ring();

-- audit_log and private.audit_head: written at commit by what was put into private.audit_entries, and by
-- nobody else

drop trigger if exists _950_chain on private.audit_entries;
create constraint trigger _950_chain after insert or update on private.audit_entries
  deferrable initially deferred
  for each row execute function private.tg_audit_entries__chain();

drop trigger if exists _100_guard on public.audit_log;
create trigger _100_guard before insert on public.audit_log
  for each row
  when (pg_trigger_depth() = 0)
  execute function private.tg_refuse_audit_write();

drop trigger if exists _100_refuse_change on public.audit_log;
create trigger _100_refuse_change before update or delete on public.audit_log
  for each row execute function private.tg_refuse_audit_write();

drop trigger if exists _100_refuse_truncate on public.audit_log;
create trigger _100_refuse_truncate before truncate on public.audit_log
  for each statement execute function private.tg_refuse_audit_write();

drop trigger if exists _100_guard on private.audit_head;
create trigger _100_guard before insert or update or delete on private.audit_head
  for each row
  when (pg_trigger_depth() = 0)
  execute function private.tg_refuse_audit_write();

drop trigger if exists _100_refuse_truncate on private.audit_head;
create trigger _100_refuse_truncate before truncate on private.audit_head
  for each statement execute function private.tg_refuse_audit_write();
