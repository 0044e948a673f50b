drop index public.idx_message_revisions_replaced_at;
delete from public.settings s where s.name in ('chat_retention_days', 'visitor_retention_days', 'revision_retention_days');
drop table private.audit_entries, private.audit_head, public.audit_log, private.erased_people;
