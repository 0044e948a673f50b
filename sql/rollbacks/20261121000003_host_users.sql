drop table private.host_nonces;
drop table private.host_users;
