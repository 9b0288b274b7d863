import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from './api';
import { Commands } from './commands';
import { allotmentIcon } from './icons';
import { homePage } from './links';
import { AllotmentModel } from './model';
import { AllotmentPanel } from './panel';
import { ProposingForm } from './proposing';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-allotment:plugin',
  description: 'The profile that runs, and proposals, in the side panel.',
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyterlab_allotment');
    const model = new AllotmentModel(new Api(app.serviceManager.serverSettings));
    const panel = new AllotmentPanel(model, app.commands, trans);
    app.shell.add(panel, 'left', { rank: 550, type: 'Allotment' });
    restorer?.add(panel, panel.id);

    app.commands.addCommand(Commands.open, {
      label: trans.__('Show my profile and proposals'),
      caption: trans.__('Open Allotment’s panel'),
      icon: allotmentIcon,
      execute: () => app.shell.activateById(panel.id)
    });
    app.commands.addCommand(Commands.propose, {
      label: trans.__('Propose a change of my profile'),
      icon: allotmentIcon,
      isEnabled: () => Boolean(model.session?.details),
      execute: () => {
        if (model.session?.details) {
          const widget = new MainAreaWidget({ content: new ProposingForm(model, model.session, trans) });
          app.shell.add(widget, 'main');
          app.shell.activateById(widget.id);
        }
      }
    });
    app.commands.addCommand(Commands.refresh, {
      label: trans.__('Ask the service again'),
      execute: () => model.refresh()
    });
    app.commands.addCommand(Commands.hub, {
      label: trans.__('Open the hub’s page'),
      isEnabled: () => homePage(model.session?.hub ?? '') !== null,
      execute: () => {
        window.open(homePage(model.session?.hub ?? '') ?? undefined, '_blank', 'noopener');
      }
    });
    const category = trans.__('Allotment');
    Object.values(Commands).forEach(command => palette?.addItem({ command, category }));
    launcher?.add({ command: Commands.propose, category: trans.__('Other'), rank: 10 });
    model.changed.connect(() => app.commands.notifyCommandChanged());
    void model.start();
  }
};

export default plugin;
