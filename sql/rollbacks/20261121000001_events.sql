drop table private.connections, private.relays, private.epoch, private.events;
delete from public.settings s where s.name in ('grace_period', 'event_retention');
update public.settings s set description = 'A session chat is released when its customer has not written for so long' where s.name = 'customer_idle';
alter table public.chats drop column event_seq, drop column customer_event_seq;
