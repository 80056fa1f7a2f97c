# A Rails application with Action Mailbox and nothing else: every message is routed to one mailbox, which writes it down.
# FOLDER is its scratch folder; password and key come in the variables Action Mailbox itself reads.
%w[active_record action_controller active_job].each { |name| require "#{name}/railtie" }
require 'active_storage/engine'
require 'action_mailbox/engine'

class Application < Rails::Application
  config.root = ENV.fetch('FOLDER')
  config.load_defaults 6.1
  config.eager_load = false
  config.secret_key_base = 'x' * 64
  config.logger = Logger.new($stderr)
  config.active_job.queue_adapter = :inline
  config.action_mailbox.incinerate = false
  config.active_storage.service = :disk
  config.active_storage.service_configurations = { disk: { service: 'Disk', root: ENV.fetch('FOLDER') } }
end
Rails.application.initialize!

ActiveRecord::Schema.verbose = false
[ActiveStorage, ActionMailbox].each do |part|
  Dir["#{part::Engine.root}/db/migrate/*.rb"].sort.each { |file| require file }
end
CreateActiveStorageTables.new.change
CreateActionMailboxTables.new.change

class InboxMailbox < ActionMailbox::Base
  def process
    original = Array(mail.header['X-Original-To']).map(&:to_s)
    facts = { to: mail.to, original: original, raw: Base64.strict_encode64(inbound_email.source) }
    File.open("#{ENV.fetch('FOLDER')}/routed", 'a') { |file| file.puts(facts.to_json) }
  end
end
class ApplicationMailbox < ActionMailbox::Base
  routing all: :inbox
end

# Action Mailbox has one ingress; here it is the one the request names.
run(lambda do |env|
  ActionMailbox.ingress = env['PATH_INFO'][%r{/rails/action_mailbox/(\w+)/}, 1]&.to_sym
  Rails.application.call(env)
end)
