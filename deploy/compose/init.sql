-- Run once by the PostgreSQL image, as its superuser. The passwords come from the environment.
\getenv owner_password LEARNHUB_OWNER_PASSWORD
\getenv app_password LEARNHUB_APP_PASSWORD
create role learnhub_owner login password :'owner_password';
create role learnhub_app login password :'app_password';
create database learnhub owner learnhub_owner;
\c learnhub
create extension vector;
