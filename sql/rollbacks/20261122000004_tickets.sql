drop table public.ticket_links, public.ticket_messages, public.tickets;
delete from public.settings s where s.name = 'ticket_retention_days';
