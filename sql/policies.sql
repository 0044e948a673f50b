-- Who may read and write each table: row level security and grants, one section a table.
--
-- API roles read through policies and write through functions; the one plain write they have is the
-- insert of a message. Customers read no table of chats at all: columns cannot be hidden by a policy,
-- so get_chat, list_chats and list_messages give them their rows without what is the staff's. Every
-- arm for staff begins with `(select private.is_operator())`, asked once a query. Policies do not
-- look at each other in a circle: messages, history and customers look at chats, chats at holds,
-- holds at nobody.

grant usage on schema public to anon, authenticated, service_role;
grant usage on schema private to anon, authenticated, service_role;

-- real_users: himself; staff, of chats that they may see

alter table public.real_users enable row level security;
revoke all on public.real_users from anon, authenticated, service_role;
grant select on public.real_users to authenticated;
grant select, insert, update, delete on public.real_users to service_role;

drop policy if exists select_own_or_staff on public.real_users;
create policy select_own_or_staff on public.real_users for select to authenticated
  using (
    id = (select auth.uid())
    or (select private.is_operator()) and exists (select from public.chats c where c.real_user_id = real_users.id)
  );
drop policy if exists all_service on public.real_users;
create policy all_service on public.real_users for all to service_role using (true) with check (true);

-- fictional_users: the faces are public to whoever is signed in

alter table public.fictional_users enable row level security;
revoke all on public.fictional_users from anon, authenticated, service_role;
grant select on public.fictional_users to authenticated;
grant select, insert, update, delete on public.fictional_users to service_role;

drop policy if exists select_all on public.fictional_users;
create policy select_all on public.fictional_users for select to authenticated
  using (is_active or (select private.is_operator()));
drop policy if exists all_service on public.fictional_users;
create policy all_service on public.fictional_users for all to service_role using (true) with check (true);

-- operators: staff see their colleagues

alter table public.operators enable row level security;
revoke all on public.operators from anon, authenticated, service_role;
grant select on public.operators to authenticated;
grant select, insert, update, delete on public.operators to service_role;

drop policy if exists select_staff on public.operators;
create policy select_staff on public.operators for select to authenticated
  using ((select private.is_operator()));
drop policy if exists all_service on public.operators;
create policy all_service on public.operators for all to service_role using (true) with check (true);

-- settings: admins; changed by set_setting

alter table public.settings enable row level security;
revoke all on public.settings from anon, authenticated, service_role;
grant select on public.settings to authenticated;
grant select, update on public.settings to service_role;

drop policy if exists select_admin on public.settings;
create policy select_admin on public.settings for select to authenticated
  using ((select private.is_admin()));
drop policy if exists all_service on public.settings;
create policy all_service on public.settings for all to service_role using (true) with check (true);

-- widget_settings: the staff; what everybody may know get_widget_settings tells

alter table public.widget_settings enable row level security;
revoke all on public.widget_settings from anon, authenticated, service_role;
grant select on public.widget_settings to authenticated;
grant select, update on public.widget_settings to service_role;

drop policy if exists select_staff on public.widget_settings;
create policy select_staff on public.widget_settings for select to authenticated
  using ((select private.is_operator()));
drop policy if exists all_service on public.widget_settings;
create policy all_service on public.widget_settings for all to service_role using (true) with check (true);

-- chats: admins all; an operator what waits, and what he holds or has held

alter table public.chats enable row level security;
revoke all on public.chats from anon, authenticated, service_role;
grant select on public.chats to authenticated;
grant select, insert, update, delete on public.chats to service_role;

drop policy if exists select_staff on public.chats;
create policy select_staff on public.chats for select to authenticated
  using (
    (select private.is_operator())
    and (
      (select private.is_admin())
      or chat_state = 'waiting_assignment'
      or assigned_operator_id = (select auth.uid())
      or exists (
        select from public.chat_assignments a
        where a.operator_id = (select auth.uid()) and a.chat_id = chats.id
      )
    )
  );
drop policy if exists all_service on public.chats;
create policy all_service on public.chats for all to service_role using (true) with check (true);

-- messages: staff, of chats that they may see. Whoever is signed in may insert; the trigger names
-- the sender, and refuses him by the rules of the chat.

alter table public.messages enable row level security;
revoke all on public.messages from anon, authenticated, service_role;
grant select on public.messages to authenticated;
grant insert (chat_id, sender_type, content, client_message_id, metadata, attachments) on public.messages to authenticated;
grant select, insert, update, delete on public.messages to service_role;

drop policy if exists select_staff on public.messages;
create policy select_staff on public.messages for select to authenticated
  using ((select private.is_operator()) and exists (select from public.chats c where c.id = messages.chat_id));
drop policy if exists insert_own on public.messages;
create policy insert_own on public.messages for insert to authenticated
  with check (sender_id = (select auth.uid()));
drop policy if exists all_service on public.messages;
create policy all_service on public.messages for all to service_role using (true) with check (true);

-- message_revisions: admins

alter table public.message_revisions enable row level security;
revoke all on public.message_revisions from anon, authenticated, service_role;
grant select on public.message_revisions to authenticated;
grant select, delete on public.message_revisions to service_role;

drop policy if exists select_admin on public.message_revisions;
create policy select_admin on public.message_revisions for select to authenticated
  using ((select private.is_admin()));
drop policy if exists all_service on public.message_revisions;
create policy all_service on public.message_revisions for all to service_role using (true) with check (true);

-- read_marks: one's own, and for staff those of chats that they may see; written by mark_read

alter table public.read_marks enable row level security;
revoke all on public.read_marks from anon, authenticated, service_role;
grant select on public.read_marks to authenticated;
grant select on public.read_marks to service_role;

drop policy if exists select_own_or_staff on public.read_marks;
create policy select_own_or_staff on public.read_marks for select to authenticated
  using (
    reader_id = (select auth.uid()) and (select private.caller_kind()) <> 'inactive'
    or (select private.is_operator()) and exists (select from public.chats c where c.id = read_marks.chat_id)
  );
drop policy if exists all_service on public.read_marks;
create policy all_service on public.read_marks for all to service_role using (true) with check (true);

-- chat_notes: staff, of chats that they may see; written by functions

alter table public.chat_notes enable row level security;
revoke all on public.chat_notes from anon, authenticated, service_role;
grant select on public.chat_notes to authenticated;
grant select, insert, update on public.chat_notes to service_role;

drop policy if exists select_staff on public.chat_notes;
create policy select_staff on public.chat_notes for select to authenticated
  using ((select private.is_operator()) and exists (select from public.chats c where c.id = chat_notes.chat_id));
drop policy if exists all_service on public.chat_notes;
create policy all_service on public.chat_notes for all to service_role using (true) with check (true);

-- chat_mentions: an operator those of himself, in chats that he may see; rows come from the trigger on chat_notes

alter table public.chat_mentions enable row level security;
revoke all on public.chat_mentions from anon, authenticated, service_role;
grant select on public.chat_mentions to authenticated;
grant select on public.chat_mentions to service_role;

drop policy if exists select_own on public.chat_mentions;
create policy select_own on public.chat_mentions for select to authenticated
  using (
    (select private.is_operator())
    and operator_id = (select auth.uid())
    and exists (select from public.chats c where c.id = chat_mentions.chat_id)
  );
drop policy if exists all_service on public.chat_mentions;
create policy all_service on public.chat_mentions for all to service_role using (true) with check (true);

-- quick_responses: staff, everybody's and one's own; written by functions

alter table public.quick_responses enable row level security;
revoke all on public.quick_responses from anon, authenticated, service_role;
grant select on public.quick_responses to authenticated;
grant select, insert, update, delete on public.quick_responses to service_role;

drop policy if exists select_staff on public.quick_responses;
create policy select_staff on public.quick_responses for select to authenticated
  using ((select private.is_operator()) and (owner_id is null or owner_id = (select auth.uid())));
drop policy if exists all_service on public.quick_responses;
create policy all_service on public.quick_responses for all to service_role using (true) with check (true);

-- agent_preferences: an operator his own; written by set_preferences

alter table public.agent_preferences enable row level security;
revoke all on public.agent_preferences from anon, authenticated, service_role;
grant select on public.agent_preferences to authenticated;
grant select on public.agent_preferences to service_role;

drop policy if exists select_own on public.agent_preferences;
create policy select_own on public.agent_preferences for select to authenticated
  using ((select private.is_operator()) and operator_id = (select auth.uid()));
drop policy if exists all_service on public.agent_preferences;
create policy all_service on public.agent_preferences for all to service_role using (true) with check (true);

-- chat_ratings: staff, of chats that they may see; written by rate_chat

alter table public.chat_ratings enable row level security;
revoke all on public.chat_ratings from anon, authenticated, service_role;
grant select on public.chat_ratings to authenticated;
grant select on public.chat_ratings to service_role;

drop policy if exists select_staff on public.chat_ratings;
create policy select_staff on public.chat_ratings for select to authenticated
  using ((select private.is_operator()) and exists (select from public.chats c where c.id = chat_ratings.chat_id));
drop policy if exists all_service on public.chat_ratings;
create policy all_service on public.chat_ratings for all to service_role using (true) with check (true);

-- tickets: staff; customers read theirs by list_tickets

alter table public.tickets enable row level security;
revoke all on public.tickets from anon, authenticated, service_role;
grant select on public.tickets to authenticated;
grant select, insert, update, delete on public.tickets to service_role;

drop policy if exists select_staff on public.tickets;
create policy select_staff on public.tickets for select to authenticated
  using ((select private.is_operator()));
drop policy if exists all_service on public.tickets;
create policy all_service on public.tickets for all to service_role using (true) with check (true);

-- ticket_messages: the same

alter table public.ticket_messages enable row level security;
revoke all on public.ticket_messages from anon, authenticated, service_role;
grant select on public.ticket_messages to authenticated;
grant select, insert on public.ticket_messages to service_role;

drop policy if exists select_staff on public.ticket_messages;
create policy select_staff on public.ticket_messages for select to authenticated
  using ((select private.is_operator()));
drop policy if exists all_service on public.ticket_messages;
create policy all_service on public.ticket_messages for all to service_role using (true) with check (true);

-- ticket_links: the same, but for chats that one may not see

alter table public.ticket_links enable row level security;
revoke all on public.ticket_links from anon, authenticated, service_role;
grant select on public.ticket_links to authenticated;
grant select, insert, delete on public.ticket_links to service_role;

drop policy if exists select_staff on public.ticket_links;
create policy select_staff on public.ticket_links for select to authenticated
  using ((select private.is_operator()) and (chat_id is null or exists (select from public.chats c where c.id = ticket_links.chat_id)));
drop policy if exists all_service on public.ticket_links;
create policy all_service on public.ticket_links for all to service_role using (true) with check (true);

-- chat_assignments: admins all, an operator his own; rows come from the triggers on chats

alter table public.chat_assignments enable row level security;
revoke all on public.chat_assignments from anon, authenticated, service_role;
grant select on public.chat_assignments to authenticated;
grant select on public.chat_assignments to service_role;

drop policy if exists select_staff on public.chat_assignments;
create policy select_staff on public.chat_assignments for select to authenticated
  using ((select private.is_operator()) and (operator_id = (select auth.uid()) or (select private.is_admin())));
drop policy if exists all_service on public.chat_assignments;
create policy all_service on public.chat_assignments for all to service_role using (true) with check (true);

-- operator_activity: the same

alter table public.operator_activity enable row level security;
revoke all on public.operator_activity from anon, authenticated, service_role;
grant select on public.operator_activity to authenticated;
grant select on public.operator_activity to service_role;

drop policy if exists select_staff on public.operator_activity;
create policy select_staff on public.operator_activity for select to authenticated
  using ((select private.is_operator()) and (operator_id = (select auth.uid()) or (select private.is_admin())));
drop policy if exists all_service on public.operator_activity;
create policy all_service on public.operator_activity for all to service_role using (true) with check (true);

-- operator_stats: the same

alter table public.operator_stats enable row level security;
revoke all on public.operator_stats from anon, authenticated, service_role;
grant select on public.operator_stats to authenticated;
grant select on public.operator_stats to service_role;

drop policy if exists select_staff on public.operator_stats;
create policy select_staff on public.operator_stats for select to authenticated
  using ((select private.is_operator()) and (operator_id = (select auth.uid()) or (select private.is_admin())));
drop policy if exists all_service on public.operator_stats;
create policy all_service on public.operator_stats for all to service_role using (true) with check (true);

-- chat_history: staff, of chats that they may see; rows come from the triggers on chats

alter table public.chat_history enable row level security;
revoke all on public.chat_history from anon, authenticated, service_role;
revoke all on sequence public.chat_history_id_seq from anon, authenticated, service_role;
grant select on public.chat_history to authenticated;
grant select on public.chat_history to service_role;

drop policy if exists select_staff on public.chat_history;
create policy select_staff on public.chat_history for select to authenticated
  using ((select private.is_operator()) and exists (select from public.chats c where c.id = chat_history.chat_id));
drop policy if exists all_service on public.chat_history;
create policy all_service on public.chat_history for all to service_role using (true) with check (true);

-- chat_drafts: one's own, of chats that one may see; written by save_draft

alter table public.chat_drafts enable row level security;
revoke all on public.chat_drafts from anon, authenticated, service_role;
grant select on public.chat_drafts to authenticated;
grant select on public.chat_drafts to service_role;

drop policy if exists select_own on public.chat_drafts;
create policy select_own on public.chat_drafts for select to authenticated
  using (
    (select private.is_operator()) and operator_id = (select auth.uid())
    and exists (select from public.chats c where c.id = chat_drafts.chat_id)
  );
drop policy if exists all_service on public.chat_drafts;
create policy all_service on public.chat_drafts for all to service_role using (true) with check (true);

-- chat_snoozes: the same; written by snooze_chat

alter table public.chat_snoozes enable row level security;
revoke all on public.chat_snoozes from anon, authenticated, service_role;
grant select on public.chat_snoozes to authenticated;
grant select on public.chat_snoozes to service_role;

drop policy if exists select_own on public.chat_snoozes;
create policy select_own on public.chat_snoozes for select to authenticated
  using (
    (select private.is_operator()) and operator_id = (select auth.uid())
    and exists (select from public.chats c where c.id = chat_snoozes.chat_id)
  );
drop policy if exists all_service on public.chat_snoozes;
create policy all_service on public.chat_snoozes for all to service_role using (true) with check (true);

-- audit_log: admins; rows come from what is done

alter table public.audit_log enable row level security;
revoke all on public.audit_log from anon, authenticated, service_role;
grant select on public.audit_log to authenticated;
grant select on public.audit_log to service_role;

drop policy if exists select_admin on public.audit_log;
create policy select_admin on public.audit_log for select to authenticated
  using ((select private.is_admin()));
drop policy if exists all_service on public.audit_log;
create policy all_service on public.audit_log for all to service_role using (true) with check (true);

-- storage.objects, Supabase's or its stand-in's, shared with others' buckets: hence the longer names.
--
-- attachments: files of a chat, in the folder of its id. Whoever may write in the chat may put a file there;
-- until it is sent in a message it is his alone, and he may take it back. Nobody changes one.

drop policy if exists baton_attachments_select on storage.objects;
create policy baton_attachments_select on storage.objects for select to authenticated
  using (bucket_id = 'attachments' and private.may_see_file(name, owner_id, user_metadata));
drop policy if exists baton_attachments_insert on storage.objects;
create policy baton_attachments_insert on storage.objects for insert to authenticated
  with check (
    bucket_id = 'attachments'
    and owner_id = (select auth.uid())::text
    and (user_metadata -> 'message_id') is null
    and private.may_put_file(name)
  );
drop policy if exists baton_attachments_delete on storage.objects;
create policy baton_attachments_delete on storage.objects for delete to authenticated
  using (
    bucket_id = 'attachments'
    and owner_id = (select auth.uid())::text
    and (user_metadata -> 'message_id') is null
  );

-- avatars: faces, which everybody sees. An operator has a folder of his own; admins keep all, the personas'
-- among them.

drop policy if exists baton_avatars_select on storage.objects;
create policy baton_avatars_select on storage.objects for select to authenticated
  using (bucket_id = 'avatars' and not private.is_going(bucket_id, name));
drop policy if exists baton_avatars_insert on storage.objects;
create policy baton_avatars_insert on storage.objects for insert to authenticated
  with check (bucket_id = 'avatars' and (select private.is_operator()) and private.may_put_avatar(name));
drop policy if exists baton_avatars_update on storage.objects;
create policy baton_avatars_update on storage.objects for update to authenticated
  using (bucket_id = 'avatars' and (select private.is_operator()) and private.may_put_avatar(name))
  with check (bucket_id = 'avatars' and (select private.is_operator()) and private.may_put_avatar(name));
drop policy if exists baton_avatars_delete on storage.objects;
create policy baton_avatars_delete on storage.objects for delete to authenticated
  using (bucket_id = 'avatars' and (select private.is_operator()) and private.may_put_avatar(name));

-- Views: the rows are those that the tables give the reader

revoke all on public.chat_state_summary, public.assignment_queue, public.operator_assignment_history,
  public.repeated_assignments, public.operator_performance, public.assignment_metrics,
  public.chat_volume, public.wait_history, public.state_history, public.idle_history, public.assignment_distribution
  from anon, authenticated, service_role;
grant select on public.chat_state_summary, public.assignment_queue, public.operator_assignment_history,
  public.repeated_assignments, public.operator_performance, public.assignment_metrics,
  public.chat_volume, public.wait_history, public.state_history, public.idle_history, public.assignment_distribution
  to authenticated, service_role;

-- private: nothing but through functions

alter table private.operator_load enable row level security;
alter table private.gate enable row level security;
alter table private.rate_buckets enable row level security;
alter table private.jobs enable row level security;
alter table private.events enable row level security;
alter table private.epoch enable row level security;
alter table private.relays enable row level security;
alter table private.connections enable row level security;
alter table private.file_removals enable row level security;
alter table private.host_users enable row level security;
alter table private.host_nonces enable row level security;
alter table private.erased_people enable row level security;
alter table private.audit_head enable row level security;
alter table private.audit_entries enable row level security;
alter table private.operator_invitations enable row level security;
revoke all on private.operator_load, private.gate, private.rate_buckets, private.jobs,
  private.events, private.epoch, private.relays, private.connections, private.file_removals,
  private.host_users, private.host_nonces, private.erased_people, private.audit_head, private.audit_entries,
  private.operator_invitations
  from anon, authenticated, service_role;
